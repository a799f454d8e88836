"""Finds limits, durations and figures in a sentence, and the values on both sides of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["max", "min", "duration", "figure"]

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_UNIT = (
    r"\s?(?:%|(?:working|business|future|failed|free|concurrent|calendar|sign-in|login|simultaneous)\s"
    r"(?:attempts\s|sign-in\s)?[A-Za-z-]{2,20}|[A-Za-z][A-Za-z/-]{0,20})?"
)
_LIMIT = re.compile(
    r"(?P<word>\b(?:at most|up to|no more than|not more than|more than|not exceed|exceeding|maximum of|"
    r"max\.?|less than|fewer than|under|below|within|at least|no fewer than|no less than|minimum of|min\.?|"
    r"over|above|longer than|larger than|older than|after|for|during the last|last|until|aged)\b\s)?"
    rf"(?P<number>{_NUMBER})(?P<unit>{_UNIT})",
    re.IGNORECASE,
)
_MAX = {"at most", "up to", "no more than", "not more than", "not exceed", "exceeding", "maximum of", "max",
        "max.", "within", "until", "under", "below", "less than", "fewer than"}  # fmt: skip
_EXCLUSIVE = {"under", "below", "less than", "fewer than"}
_MIN = {"at least", "no fewer than", "no less than", "minimum of", "min", "min."}
_BEYOND = {"more than", "over", "above", "longer than", "larger than", "older than"}
_LASTING = {"after", "for"}
_TIME = re.compile(r"^(?:ms|s|sec|milli|second|minute|hour|day|week|month|year|working|business)", re.I)
_NO_UNIT = frozenset(
    [
        "and",
        "or",
        "of",
        "to",
        "in",
        "by",
        "with",
        "from",
        "at",
        "is",
        "are",
        "was",
        "as",
        "the",
        "a",
        "for",
        "on",
        "per",
        "if",
        "when",
        "than",
        "ahead",
        "shall",
        "must",
        "should",
        "will",
        "can",
        "may",
        "cannot",
    ]
)
_VERSION = re.compile(
    r"\b(?:TLS|SSL|HTTP|WCAG|version|level|AES-?|SHA-?|release|section|clinic|step)\s?$", re.I
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A quantity with its wording. `phrase` occurs in the sentence word for word.

    `exclusive`: the value itself is outside, as in "fewer than 12" and "more than 3".
    """

    kind: Kind
    value: float
    unit: str
    phrase: str
    exclusive: bool = False

    @property
    def deadline(self) -> bool:
        """Whether something has to happen within a time, which is measured rather than tried."""
        return self.kind == "max" and self.of_time and self.phrase.lower().startswith("within")

    @property
    def of_time(self) -> bool:
        """Whether the unit is a time."""
        return bool(_TIME.match(self.unit))

    def amount(self, value: float) -> str:
        """Return a value with the unit, as a person writes it."""
        number = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}".rstrip("0")
        plural = len(self.unit) > 3 and self.unit.endswith("s") and not self.unit.endswith("ss")
        unit = self.unit[:-1] if value == 1 and plural else self.unit
        return f"{number} {unit}".strip()

    @property
    def step(self) -> float:
        """The smallest difference worth testing."""
        return 1.0 if self.value == int(self.value) else 0.1

    def probes(self) -> list[tuple[str, bool]]:
        """Return values on and around the limit, each with whether it is within it."""
        below, on, above = (self.amount(self.value + step) for step in (-self.step, 0, self.step))
        if self.kind == "min":
            return [(below, False), (on, not self.exclusive), (above, True)]
        return [(below, True), (on, not self.exclusive), (above, False)]


def find_limits(sentence: str) -> list[Limit]:
    """Return the quantities of a sentence in order. Version numbers and ids are not quantities."""
    limits: list[Limit] = []
    for match in _LIMIT.finditer(sentence):
        before = sentence[max(0, match.start("number") - 12) : match.start("number")]
        if before[-1:] in {"-", ".", ":", "/"} or before[-1:].isalnum() or _VERSION.search(before):
            continue
        if sentence[match.end("number") : match.end("number") + 1] in {":", "-"}:
            continue
        limits.append(_limit(match, sentence))
    return limits


def _limit(match: re.Match[str], sentence: str) -> Limit:
    word = (match.group("word") or "").strip().lower()
    unit = match.group("unit").strip()
    if unit.split(" ")[0].lower() in _NO_UNIT:
        unit = ""
    end = match.start("unit") + (len(match.group("unit").rstrip()) if unit else 0)
    kind: Kind = "figure"
    if word in _MAX:
        # "up to 24 hours before it begins" is a shortest notice, not a longest.
        notice = word in {"up to", "until"} and sentence[end:].lstrip().startswith("before")
        kind = "min" if notice else "max"
    elif word in _MIN:
        kind = "min"
    elif word in _BEYOND:
        # "must not hold more than 4" allows 4; "older than 16" demands more than 16.
        kind = "max" if re.search(r"\b(?:not|no|never|cannot)\b", sentence[: match.start()]) else "min"
    elif word in _LASTING and _TIME.match(unit):
        kind = "duration"
    start = match.start("word") if word else match.start("number")
    value = float(match.group("number").replace(",", ""))
    exclusive = word in _EXCLUSIVE or (word in _BEYOND and kind == "min")
    return Limit(kind, value, unit, sentence[start:end], exclusive)

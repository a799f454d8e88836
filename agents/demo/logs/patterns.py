"""Mines patterns: events whose messages differ only in numbers, ids, addresses and quoted values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agents.demo.logs.events import Event

MOST = 30
_MASKS = [
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+\b"), "<email>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<ip>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?Z?\b"), "<time>"),
    (re.compile(r"'[^']{1,200}'|\"[^\"]{1,200}\""), "<str>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,40}\b"), "<id>"),
    (re.compile(r"(?<![\w.])\d{6,40}\b"), "<id>"),
    (re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?=(?:ms|s|kb|mb|gb|%|x)?\b)", re.I), "<num>"),
]
_SECRET = re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key|authorization)(\s*[=:]\s*)(\S+)")
_RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3, "info": 4}
_LEVEL_RANK = {"fatal": 0, "error": 1, "warning": 2, "info": 3, "debug": 4, "none": 5}
_CRITICAL = re.compile(
    r"\b(?:corrupt|data loss|lost|disclos|leak|out of memory|\b0 (?:files|rows|records)\b.*(?:copied|written|backed|imported))",
    re.I,
)
_HIGH = re.compile(
    r"exhaust|refused|could not|cannot|unavailable|rejected: no|deadlock|panic|disk .*\b9\d ?%|certificate",
    re.I,
)
_MEDIUM = re.compile(r"\bretry|deferred|slow|timeout|timed out|failed|429|queue|\b8\d ?%|degrad", re.I)


@dataclass
class Pattern:
    """Events with one signature."""

    signature: str
    component: str | None
    events: list[Event] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    @property
    def level(self) -> str:
        """The most severe level among the events."""
        return min((event.level for event in self.events), key=lambda level: _LEVEL_RANK[level])

    @property
    def severity(self) -> str:
        """Harm as the words suggest it; level only decides when they say nothing."""
        texts = " ".join([self.signature, *(event.message for event in self.events[-3:])])
        if self.level == "fatal" or _CRITICAL.search(texts):
            return "critical"
        if self.level in {"info", "debug"}:
            return "info"
        if self.level == "error" and _HIGH.search(texts):
            return "high"
        if _HIGH.search(texts) or _MEDIUM.search(texts) or self.level == "error":
            return "high" if re.search(r"\b9\d ?%", texts) else "medium"
        return "low" if self.level == "warning" else "info"

    def trend(self, total: int) -> str:
        """Compare the quarters of the log; a log without times is compared by position."""
        count = len(self.positions)
        if count == 1:
            return "single"
        if count < 4 or total < 8:
            return "unknown"
        quarters = [0, 0, 0, 0]
        for position in self.positions:
            quarters[min(3, position * 4 // total)] += 1
        if max(quarters) > 0.7 * count:
            return "burst"
        if quarters[3] >= 2 * max(quarters[0], 1):
            return "rising"
        return "falling" if quarters[0] >= 2 * max(quarters[3], 1) else "steady"


def mine(events: Sequence[Event]) -> list[Pattern]:
    """Return the patterns, most harmful first, at most `MOST`."""
    patterns: dict[tuple[str, str | None], Pattern] = {}
    for position, event in enumerate(events):
        key = (mask(event.message), event.component)
        pattern = patterns.setdefault(key, Pattern(*key))
        pattern.events.append(event)
        pattern.positions.append(position)
    ranked = sorted(patterns.values(), key=lambda item: (_RANK[item.severity], -len(item.events)))
    return ranked[:MOST]


def mask(message: str) -> str:
    """Return the signature of a message."""
    text = message[:500]
    for pattern, placeholder in _MASKS:
        text = pattern.sub(placeholder, text)
    return re.sub(r"\s+", " ", text).strip() or "(empty message)"


def hide_secrets(text: str) -> str:
    """Replace the values of passwords, tokens and keys, and e-mail addresses, by ***."""
    return _MASKS[0][0].sub("***", _SECRET.sub(r"\1\2***", text))


def known_signatures(texts: Iterable[str]) -> set[str]:
    """Return the signatures of a baseline: one per line, masked like events."""
    return {mask(line.strip(" -*`")) for text in texts for line in text.split("\n") if line.strip(" -*`#")}

"""What a tenant's custom prompt must be when it is saved: long enough, short enough, UTF-8, no injection pattern.

The patterns find known ways of saying known things. They never promise to stop an injection: the gates, limits and
locked segments around a run are what holds when words get through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from agents.providers.base import BYTES_PER_TOKEN
from qualisys.problems import FieldError, Problem
from qualisys.text import unstorable
from tenants.models import PatternFamily
from tenants.prompts import hidden, normalize, patterns
from tenants.prompts.engine import BadPattern, Matcher, matcher
from tenants.prompts.normalize import Reading
from tenants.prompts.patterns import Pattern

FIELD: Final = "custom_prompt"
MIN_LENGTH: Final = 50
MAX_LENGTH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a text breaks. For a pattern: its name, what was read, and where it stands in the text."""

    rule: str
    message: str
    pattern: str = ""
    family: str = ""
    reading: str = ""
    excerpt: str = ""
    start: int = 0
    end: int = 0

    def error(self) -> FieldError:
        """Return the finding as a failing field of a problem document."""
        return {"field": FIELD, "rule": self.rule, "message": self.message}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a live check tells: what is wrong, and how long the text is.

    `tokens` is a conservative estimate: no tokenizer needs more for ordinary text.
    """

    findings: list[Finding]
    characters: int
    tokens: int


def examine(text: str | bytes, known: Iterable[Pattern]) -> Report:
    """Return everything that is wrong with `text`; pure, so that a page may ask while somebody types."""
    readable = _readable(text)
    if readable is None:
        message = "The prompt must be valid UTF-8 text without NUL characters. Paste it again as plain text."
        return Report([Finding("prompt_not_utf8", message)], len(text), estimate(text))
    found = [*_length(readable), *_patterns(readable[:MAX_LENGTH], known)]
    return Report(found, len(readable), estimate(readable))


def check(text: str | bytes) -> list[FieldError]:
    """Return every rule that `text` breaks, under the patterns that are turned on now."""
    return [finding.error() for finding in examine(text, patterns.enabled()).findings]


def checked(text: str | bytes) -> str:
    """Return `text` if a tenant may save it as its custom prompt; raise the Problem that names each broken rule."""
    errors = check(text)
    if errors:
        raise Problem(errors[0]["rule"], errors[0]["message"], errors=errors)
    return text if isinstance(text, str) else text.decode("utf-8")


def estimate(text: str | bytes) -> int:
    """Return how many tokens a text has at most, as budgets count it: one for every three bytes."""
    size = len(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    return -(-size // BYTES_PER_TOKEN)


def readings(text: str) -> Iterator[Reading]:
    """Yield every reading of a text on which patterns are tried."""
    shown = list(normalize.readings("text", normalize.pieces(text)))
    yield from shown
    yield from hidden.turned(shown[1])
    yield from hidden.readings(text)


def _readable(text: str | bytes) -> str | None:
    try:
        told = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        return None
    return None if unstorable(told) else told


def _length(text: str) -> Iterator[Finding]:
    if len(text) > MAX_LENGTH:
        yield Finding(
            "prompt_too_long",
            f"The prompt has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed. Shorten it.",
        )
    # What nobody sees does not count, or a prompt of zero-width characters would be long enough.
    seen = normalize.visible(text[: MAX_LENGTH + 1])
    if seen < MIN_LENGTH:
        yield Finding(
            "prompt_too_short",
            f"The prompt has {seen} visible characters; at least {MIN_LENGTH} are needed. "
            "Say what the agent should do differently for you.",
        )


def _patterns(text: str, known: Iterable[Pattern]) -> Iterator[Finding]:
    tried = list(readings(text))
    for pattern in known:
        one = _matcher(pattern)
        for reading in tried:
            span = one.search(reading)
            if span is not None:
                yield _found(text, pattern, reading, *span)
                break


def _matcher(pattern: Pattern) -> Matcher:
    try:
        return matcher(pattern.pattern)
    except BadPattern as error:
        # A rule that cannot be asked has not been kept.
        raise Problem(
            "unavailable", f"The pattern {pattern.name} cannot be used: {error} Ask a platform administrator."
        ) from error


def _found(text: str, pattern: Pattern, reading: Reading, start: int, end: int) -> Finding:
    start, end = _whole_words(reading.text, start, end)
    first, last = reading.place(start, end)
    read = " ".join(reading.text[start:end].split())
    excerpt = read if len(read) <= 200 else f"{read[:200]}…"
    line = text.count("\n", 0, first) + 1
    message = (
        f"Line {line}: “{excerpt}” reads like {PatternFamily(pattern.family).label} "
        f"(pattern {pattern.name}). Rephrase it, or leave it out."
    )
    return Finding(
        "prompt_injection_pattern", message, pattern.name, pattern.family, reading.kind, excerpt, first, last
    )


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a match without the end of the word before it, and with the rest of its last word."""
    begun = start > 0 and text[start - 1].isalnum() and (text[start].isalnum() or text[start] == ".")
    gap = text.find(" ", start, end) if begun else -1
    while 0 < end < len(text) and text[end - 1].isalnum() and text[end].isalnum() and text[end] < "\u2e80":
        end += 1
    return (gap + 1 if 0 <= gap < end - 1 else start), end

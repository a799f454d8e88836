"""Patterns in RE2: linear in the text, bounded in memory, and tried on long texts before they are admitted.

RE2 never backtracks, but a pattern with many counted repeats may still follow hundreds of possibilities at every
letter. So a pattern must also be quick on texts made of its own letters, which is what a hostile text would be.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from time import thread_time
from typing import Any

import re2

from tenants.prompts.normalize import Reading, fold_letters

MAX_LENGTH = 500
#: Bytes that one compiled pattern may take, its remembered states included.
MAX_MEMORY = 1 << 20
#: Characters of a trial text, and CPU seconds that a pattern may take for one.
TRIAL_SIZE, TRIAL_SECONDS = 1 << 16, 0.02

#: How a pattern may write the gap between two words; readings of joined letters have none.
_GAP = re.compile(r"(?:\\s|\[ -\]| )[*+?]?|\\b")


class BadPattern(ValueError):  # noqa: N818 - reads as what it is
    """A pattern that cannot be used; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A compiled pattern; `gapless` is its form for words that are written without gaps."""

    whole: Any
    gapless: Any

    def search(self, reading: Reading) -> tuple[int, int] | None:
        """Return where the pattern is first found in a reading, or None."""
        pattern = self.gapless if reading.kind.endswith("joined") else self.whole
        match = pattern.search(reading.text) if pattern is not None else None
        return match.span() if match else None


@lru_cache(maxsize=1_000)
def matcher(pattern: str) -> Matcher:
    """Return the compiled pattern; raise BadPattern where RE2 refuses it or it matches everything."""
    if len(pattern) > MAX_LENGTH:
        raise BadPattern(f"A pattern has at most {MAX_LENGTH} characters: make two of it.")
    folded = fold_letters(pattern)
    try:
        whole = _compiled(folded)
    except re2.error as error:
        raise BadPattern(_why(error)) from error
    if whole.search("") is not None:
        raise BadPattern("This pattern matches an empty text, so it would refuse every prompt.")
    try:
        gapless = _compiled(_GAP.sub("", folded.replace("[^ ]", r"[^\n]")))
    except re2.error:
        gapless = None
    return Matcher(whole, None if gapless is None or gapless.search("") else gapless)


def admit(pattern: str) -> Matcher:
    """Return the compiled pattern; raise BadPattern where it is too slow, too."""
    found = matcher(pattern)
    for text in _trials(pattern):
        if min(_seconds(found.whole, text) for _ in range(2)) > TRIAL_SECONDS:
            raise BadPattern(
                "This pattern is too slow on long texts. Use fewer or smaller counted repeats such as {0,60}."
            )
    return found


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.case_sensitive = False
    options.never_capture = True
    return re2.compile(pattern, options)


def _seconds(pattern: Any, text: str) -> float:
    start = thread_time()
    pattern.search(text)
    return thread_time() - start


def _trials(pattern: str) -> Iterator[str]:
    """Yield long texts made of the pattern's own letters and words, always the same ones."""
    choose = random.Random(pattern)  # noqa: S311 - texts, no secrets
    letters = [letter for letter in dict.fromkeys(re.sub(r"\\.", "", pattern)) if letter.isalnum()] or ["a"]
    words = re.findall(r"\w+", pattern) or ["a"]
    for alphabet in (letters, [*letters, " ", "."], letters[:2] or ["a", "b"], ["a", "1", " ", "x"]):
        yield "".join(choose.choices(alphabet, k=TRIAL_SIZE))
    yield " ".join(choose.choices(words, k=TRIAL_SIZE))[:TRIAL_SIZE]
    yield letters[0] * TRIAL_SIZE


def _why(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if "too large" in text or "too big" in text or "repetition size" in text:
        return "This pattern needs too much memory. Use fewer or smaller counted repeats such as {0,200}."
    if "perl operator" in text or "(?" in text:
        return f"RE2 has no look-ahead, look-behind or other such operators: {text}."
    return f"This is not a pattern that RE2 knows: {text}."

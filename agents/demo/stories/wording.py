"""Words that promise without saying what: each with the question that settles it."""

from __future__ import annotations

import re

#: pattern -> question
VAGUE: dict[str, str] = {
    r"fast|quickly|quick|rapidly|promptly|immediately|instantly|real-time":
        "Which time, for which share of requests, at which load?",
    r"timely|in a timely manner|as soon as possible|soon|regularly|periodically|frequently":
        "Within which time, counted from which event, in which hours?",
    r"appropriate|appropriately|adequate|adequately|suitable|sufficient|sufficiently|reasonable|proper|properly":
        "By which rule can a tester tell that it is so?",
    r"easy|easily|user-friendly|intuitive|simple|simply|modern|seamless|seamlessly|convenient|attractive":
        "Which task should which user finish in which time, and how is it measured?",
    r"robust|scalable|flexible|high quality|high-performance|efficient|efficiently|state of the art|secure":
        "Which figure shows it, and how is it tested?",
    r"where possible|if possible|as needed|as required|if necessary|when necessary|where appropriate|as far as":
        "Under which conditions exactly, and what happens otherwise?",
    r"etc\.?|and so on|and/or|various|several|some|many|other":
        "Which ones exactly?",
    r"tbd|tbc|to be defined|to be decided|to be determined|not decided|to be confirmed|not yet defined":
        "Who decides this, and by when?",
    r"no longer needed|no longer required|as long as necessary":
        "After how long, for which kinds of data, and who answers for it?",
    r"normally|usually|generally|typically|mostly|in most cases":
        "What are the exceptions, and what happens then?",
}  # fmt: skip

_COMPILED = [
    (re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE), ask) for words, ask in VAGUE.items()
]
#: "some" and "other" are ordinary words in most sentences; they count only before a noun in the plural.
_LOOSE = re.compile(r"^(?:some|many|several|various|other)$", re.IGNORECASE)
_BENEFIT = re.compile(r",?\s+(?:so that|in order to)\s[^.]*", re.IGNORECASE)
_OPEN = re.compile(r"tbd|tbc|decided|defined|determined|confirmed", re.IGNORECASE)


def vague_words(sentence: str) -> list[tuple[str, str]]:
    """Return (word as written, question) for each vague word. A stated benefit may be vague: nobody tests it."""
    sentence = _BENEFIT.sub("", sentence)
    return [
        (match.group(), question)
        for pattern, question in _COMPILED
        for match in pattern.finditer(sentence)
        if not _LOOSE.match(match.group())
    ]


def is_open(word: str) -> bool:
    """Whether a vague word says that something is undecided."""
    return bool(_OPEN.search(word))

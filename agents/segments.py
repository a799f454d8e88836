"""Segments of a prompt: what stands between `[[locked]]` and `[[/locked]]` stays, whatever a tenant does.

The marks are for the platform; no model ever reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(r"\[\[(/?)locked\]\][ \t]*\n?")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt without its marks."""

    text: str
    locked: bool


def split(prompt: str) -> tuple[Segment, ...]:
    """Return the prompt's segments in order; raise ValueError for a mark without its partner."""
    segments: list[Segment] = []
    locked, begin = False, 0
    for mark in _MARK.finditer(prompt):
        closing = mark.group(1) == "/"
        if closing != locked:
            raise ValueError("[[locked]] and [[/locked]] must come in pairs, one after the other")
        segments.append(Segment(prompt[begin : mark.start()], locked))
        locked, begin = not locked, mark.end()
    if locked:
        raise ValueError("[[locked]] has no [[/locked]]")
    segments.append(Segment(prompt[begin:], locked=False))
    return tuple(segment for segment in segments if segment.text)


def plain(prompt: str) -> str:
    """Return the prompt as a model reads it."""
    return _MARK.sub("", prompt)

"""Cuts an answer into pieces and says when each is due, so that it streams like a model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

#: Seconds before the first piece, between pieces, and at most for a whole answer.
FIRST, BETWEEN, WHOLE = 0.25, 0.01, 9.5
_SIZES = (14, 21, 12, 24, 17, 19)
_MEAN = sum(_SIZES) / len(_SIZES)


def pieces(text: str, natural: bool) -> Iterator[tuple[float, str]]:
    """Yield (seconds since the start, piece). Long answers come in larger pieces instead of taking longer."""
    if not natural:
        yield from ((0.0, text[start : start + 512]) for start in range(0, len(text), 512))
        return
    usual = len(text) / _MEAN * BETWEEN
    scale = max(1.0, usual / (WHOLE - FIRST))
    due, start = FIRST, 0
    for size in cycle(_SIZES):
        if start >= len(text):
            return
        end = start + round(size * scale)
        yield due, text[start:end]
        start, due = end, due + BETWEEN

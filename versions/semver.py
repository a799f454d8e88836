"""Semantic version numbers: three parts, ordered as numbers and never as text."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Bump = Literal["major", "minor", "patch"]

_PATTERN = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


class SemVer(NamedTuple):
    """A version number that compares as its parts do."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def bump(self, part: Bump) -> SemVer:
        """Return the next number after raising `part`."""
        if part == "major":
            return SemVer(self.major + 1, 0, 0)
        if part == "minor":
            return SemVer(self.major, self.minor + 1, 0)
        return SemVer(self.major, self.minor, self.patch + 1)


FIRST = SemVer(1, 0, 0)


def parse(text: str) -> SemVer:
    """Return the number in `text`; raise ValueError for anything else."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a version such as 1.2.0")
    return SemVer(*(int(part) for part in match.groups()))

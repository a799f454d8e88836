"""Makes a short text that matches a simple regular expression: literals, classes, groups, counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COUNT = re.compile(r"\{(\d{1,3})(?:,\d{0,3})?\}")
_CLASSES = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
MOST = 200


@dataclass
class _Reader:
    pattern: str
    at: int = 0

    def alternatives(self, depth: int = 0) -> str:
        """Read up to the end of the group, keep its first alternative."""
        first = self.sequence(depth)
        while self.at < len(self.pattern) and self.pattern[self.at] == "|":
            self.at += 1
            self.sequence(depth)
        return first

    def sequence(self, depth: int) -> str:
        made: list[str] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            piece = self.piece(depth)
            made.append(piece * self.count())
            if sum(map(len, made)) > MOST:
                break
        return "".join(made)[:MOST]

    def piece(self, depth: int) -> str:
        letter = self.pattern[self.at]
        self.at += 1
        if letter in "^$":
            return ""
        if letter == ".":
            return "a"
        if letter == "[":
            return self.one_of()
        if letter == "(" and depth < 20:
            if self.pattern.startswith("?", self.at):
                self.at = max(self.at, self.pattern.find(":", self.at) + 1)
            inner = self.alternatives(depth + 1)
            self.at += 1
            return inner
        if letter == "\\" and self.at < len(self.pattern):
            escaped = self.pattern[self.at]
            self.at += 1
            return "" if escaped in "bBAZ" else _CLASSES.get(escaped, escaped)
        return letter

    def one_of(self) -> str:
        end = self.pattern.find("]", self.at + 1)
        inside = self.pattern[self.at : end] if end > 0 else self.pattern[self.at :]
        self.at = end + 1 if end > 0 else len(self.pattern)
        if inside.startswith("^"):
            return next((letter for letter in "a1-_ " if letter not in inside), "a")
        if inside.startswith("\\"):
            return _CLASSES.get(inside[1:2], inside[1:2])
        return inside[:1]

    def count(self) -> int:
        if counted := _COUNT.match(self.pattern, self.at):
            self.at = counted.end()
            self.lazy()
            return min(int(counted.group(1)), MOST)
        mark = self.pattern[self.at : self.at + 1]
        if mark and mark in "*+?":
            self.at += 1
            self.lazy()
            return 0 if mark in "*?" else 1
        return 1

    def lazy(self) -> None:
        if self.pattern.startswith("?", self.at):
            self.at += 1


def matching(pattern: str) -> str:
    """Return a text for the pattern; look-around and back-references are not understood."""
    return _Reader(pattern[:1_000]).alternatives()

"""Cuts SQL into statements without being fooled by quotes, dollar quoting and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agents.demo.material import Material
from agents.demo.structured import find_fences

MAX_STATEMENTS = 300
#: Characters judged of one statement.
MAX_STATEMENT = 20_000
_TOKEN = re.compile(r"--[^\n]*|/\*|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w{0,20})\$|;", re.DOTALL)
_KEYWORD = re.compile(
    r"^\s*(?:CREATE|ALTER|DROP|INSERT|UPDATE|DELETE|TRUNCATE|GRANT|REVOKE|RENAME|COMMENT|MERGE|BEGIN|START|COMMIT|"
    r"ROLLBACK|SET|DO|WITH|COPY|REINDEX|VACUUM|REFRESH|LOCK)\b",
    re.IGNORECASE,
)
_LOOKS_SQL = re.compile(
    r"\b(?:create\s+(?:table|index|unique|view)|alter\s+table|drop\s+(?:table|index|column)|insert\s+into|"
    r"delete\s+from|truncate|update\s+\w+\s+set|grant\s+\w+)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without comments, on one line; `line` is 1-based in its document."""

    flat: str
    line: int
    document: str

    @property
    def shown(self) -> str:
        """The statement for people, shortened beyond 300 characters."""
        return self.flat if len(self.flat) <= 300 else self.flat[:297] + "..."


def read_statements(material: Material) -> list[Statement]:
    """Return the SQL statements of documents and fenced blocks, at most `MAX_STATEMENTS`."""
    found: list[Statement] = []
    for document in material.documents:
        fences = [
            fence.text
            for fence in find_fences(document.text)
            if fence.language in {"sql", "postgres", "postgresql"}
        ]
        for text in fences or [document.text]:
            if _LOOKS_SQL.search(text):
                offset = document.text.count("\n", 0, max(document.text.find(text), 0))
                found += [Statement(_flat(body), line + offset, document.name) for body, line in _cut(text)]
    return [statement for statement in found if _KEYWORD.match(statement.flat)][:MAX_STATEMENTS]


def _flat(body: str) -> str:
    return re.sub(r"\s+", " ", body[:MAX_STATEMENT]).strip()


def _cut(text: str) -> Iterator[tuple[str, int]]:
    start, position, pieces = 0, 0, list[str]()
    while token := _TOKEN.search(text, position):
        word = token.group()
        position = token.end()
        if word.startswith(("--", "/*")):
            if word == "/*":
                position = _after(text, "*/", token.end())
            pieces.append(text[start : token.start()])
            start = position
        elif token.group(1) is not None:
            position = _after(text, word, token.end())
        elif word == ";":
            pieces.append(text[start : token.start()])
            yield from _whole(pieces, text, token.start())
            start, pieces = token.end(), []
    pieces.append(text[start:])
    yield from _whole(pieces, text, len(text))


def _after(text: str, mark: str, start: int) -> int:
    """Return the place after the next mark; the end of the text when there is none."""
    at = text.find(mark, start)
    return len(text) if at < 0 else at + len(mark)


def _whole(pieces: list[str], text: str, end: int) -> Iterator[tuple[str, int]]:
    body = "".join(pieces).strip()
    if body:
        first = body.split("\n", 1)[0]
        at = text.rfind(first, 0, end)
        yield body, text.count("\n", 0, max(at, 0)) + 1

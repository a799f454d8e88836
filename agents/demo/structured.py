"""Finds the structured parts of a text: JSON values, tables, fenced code."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.demo.material import Document, Material

MAX_ROWS = 2_000
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*([\w+-]*)[ \t]*$", re.MULTILINE)
_RULE_ROW = re.compile(r"^[\s|:-]+$")


@dataclass(frozen=True, slots=True)
class Table:
    """A table with lower-case column names. `lines[i]` is the text of `rows[i]` as written."""

    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[str, ...]
    section: str
    document: str

    def column(self, *words: str) -> str | None:
        """Return the first column whose name contains one of the words."""
        for word in words:
            for name in self.columns:
                if word in name:
                    return name
        return None


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of code with its language in lower case."""

    language: str
    text: str


def find_json(material: Material) -> list[Any]:
    """Return the JSON values of documents and of fenced blocks; what does not parse is no JSON."""
    texts = [document.text for document in material.documents]
    texts += [fence.text for document in material.documents for fence in find_fences(document.text)]
    return [value for text in texts if (value := parse_json(text)) is not None]


def readable(document: Document) -> str:
    """Return the text of a document as prose: of JSON, its string values, one a paragraph."""
    value = parse_json(document.text)
    if value is None:
        return document.text
    if isinstance(value, dict) and "paths" in value:
        return ""
    return "\n\n".join(_strings(value))


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings of a JSON value in order, without recursion: the depth is the sender's choice."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def parse_json(text: str) -> Any:
    """Return the JSON object or array a text consists of, or None."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return None
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        return None


def cells_of(row: str) -> list[str]:
    """Return the cells of a Markdown table row."""
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def find_fences(text: str) -> list[Fence]:
    """Return the fenced blocks of a text."""
    marks = list(_FENCE.finditer(text))
    return [
        Fence(opening.group(1).lower(), text[opening.end() : closing.start()].strip("\n"))
        for opening, closing in zip(marks[::2], marks[1::2], strict=False)
    ]


def find_tables(material: Material) -> list[Table]:
    """Return Markdown tables and tables of comma, semicolon or tab separated values."""
    return [table for document in material.documents for table in _tables_of(document)]


def _tables_of(document: Document) -> Iterator[Table]:
    section, block = "", list[str]()
    for line in [*document.text.split("\n"), ""]:
        stripped = line.strip()
        if stripped.startswith("|"):
            block.append(stripped)
            continue
        if len(block) >= 2:
            yield _table(
                [cells_of(row) for row in block if not _RULE_ROW.match(row)], block, section, document
            )
        block = []
        if stripped.startswith("#"):
            section = stripped.lstrip("# ")
    yield from _separated(document)


def _separated(document: Document) -> Iterator[Table]:
    lines = [line for line in document.text.split("\n") if line.strip()][: MAX_ROWS + 1]
    if len(lines) < 2 or len(lines[0]) > 2_000:
        return
    for mark in (",", ";", "\t"):
        width = lines[0].count(mark)
        regular = sum(line.count(mark) >= width for line in lines)
        if width >= 1 and regular > 0.8 * len(lines) and "|" not in lines[0] and "{" not in lines[0]:
            try:
                rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=mark))
            except csv.Error:
                return
            if len(rows) == len(lines) and all(len(cell) < 60 for cell in rows[0]):
                yield _table(rows, lines, document.name, document)
            return


def _table(rows: list[list[str]], lines: list[str], section: str, document: Document) -> Table:
    columns = tuple(cell.strip().strip("*`").lower() for cell in rows[0]) if rows else ()
    written = [line for line in lines if not _RULE_ROW.match(line)][1:]
    bodies = [dict(zip(columns, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]
    count = min(len(bodies), len(written), MAX_ROWS)
    return Table(columns, tuple(bodies[:count]), tuple(written[:count]), section, document.name)

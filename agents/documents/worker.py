"""The parser process: one file on standard input, its text on standard output.

Run as a script with `-I`: it imports nothing of the product and has no environment. What it writes is `+` and
the text, or `-` and `{"rule", "detail"}` as JSON. It is not trusted: `sandbox` bounds its time and
checks what it writes.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import Any

#: In any of the encodings that Office parsers accept, a document type declaration is the way to entities.
_DECLARATIONS = tuple(b"<!DOCTYPE".decode().encode(code) for code in ("ascii", "utf-16-le", "utf-16-be"))

_TAGS = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


class Refused(Exception):  # noqa: N818 - what it is
    """The file is not read: `rule` and `detail` as `refusals` knows them."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.detail = detail


class Text:
    """Collects text up to the limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._parts: list[str] = []

    def add(self, part: str) -> None:
        """Add a block of text; blocks are separated by a line break."""
        self._size += len(part) + 1
        if self._size > self._most:
            raise Refused("file_too_long", f"at most {self._most:,} characters of text are read")
        self._parts.append(part)

    def __str__(self) -> str:
        return "\n".join(self._parts).strip()


def read_pdf(data: bytes, limits: dict[str, Any], text: Text) -> None:
    """Read the pages in their order, a blank line between them."""
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused("file_encrypted")
    count = len(reader.pages)
    if count > limits["pages"]:
        raise Refused("file_too_long", f"it has {count} pages, and at most {limits['pages']} are read")
    try:
        for page in reader.pages:
            text.add(page.extract_text().strip() + "\n")
    except LimitReachedError:
        raise Refused("file_too_long", "a page is more complex than can be read") from None


def read_docx(data: bytes, limits: dict[str, Any], text: Text) -> None:
    """Read paragraphs and tables in their order. Of tracked changes, insertions count, deletions do not."""
    check_archive(data, "word/document.xml", limits)
    from docx import Document

    for block in blocks(Document(io.BytesIO(data)).element.body):
        text.add(block)


def blocks(element: Any) -> Iterator[str]:
    """Yield the text of each paragraph and table row below an XML element."""
    for child in element:
        if child.tag == f"{_TAGS}p":
            yield paragraph(child)
        elif child.tag == f"{_TAGS}tr":
            cells = child.iterchildren(f"{_TAGS}tc", f"{_TAGS}sdt")
            yield " | ".join(" ".join(filter(None, blocks(cell))) for cell in cells)
        elif isinstance(child.tag, str):  # tables, content controls, text boxes
            yield from blocks(child)


def paragraph(element: Any) -> str:
    """Return a paragraph's text; headings keep their level, list items their dash."""
    style = element.find(f"{_TAGS}pPr/{_TAGS}pStyle")
    name = (style.get(f"{_TAGS}val") or "").lower() if style is not None else ""
    body = "".join(runs(element)).strip()
    if name.startswith("heading") and name[7:].isdigit() and body:
        return "#" * min(int(name[7:]), 6) + " " + body
    return f"- {body}" if name.startswith("list") and body else body


def runs(element: Any) -> Iterator[str]:
    """Yield the pieces of text in a paragraph."""
    for child in element:
        if child.tag == f"{_TAGS}t":
            yield child.text or ""
        elif child.tag == f"{_TAGS}tab":
            yield "\t"
        elif child.tag in (f"{_TAGS}br", f"{_TAGS}cr"):
            yield "\n"
        elif child.tag not in (_FALLBACK, f"{_TAGS}pPr") and isinstance(child.tag, str):
            yield from runs(child)


def read_xlsx(data: bytes, limits: dict[str, Any], text: Text) -> None:
    """Read the sheets' rows, cells separated by tabs; formulas give the value that was saved with them."""
    check_archive(data, "xl/workbook.xml", limits)
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    if len(book.worksheets) > limits["sheets"]:
        raise Refused("file_too_long", f"at most {limits['sheets']} sheets are read")
    cells = 0
    for sheet in book.worksheets:
        text.add(f"## {sheet.title}")
        sheet.reset_dimensions()  # a file may claim any size
        for row in sheet.iter_rows(values_only=True):
            cells += sum(value is not None for value in row)
            if cells > limits["cells"]:
                raise Refused("file_too_long", f"at most {limits['cells']:,} cells are read")
            line = "\t".join(map(cell, row)).rstrip("\t")
            if line:
                text.add(line)
    if not cells:
        raise Refused("file_empty")


def cell(value: Any) -> str:
    """Return a cell's value on one line."""
    return "" if value is None else " ".join(str(value).split())


def check_archive(data: bytes, part: str, limits: dict[str, Any]) -> None:
    """Refuse archives that are broken, bombs, of another kind, or that declare entities."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > limits["unpacked"] or len(entries) > limits["entries"]:
            raise Refused("file_too_large", f"it unpacks to more than {limits['unpacked'] >> 20} MB")
        if unpacked > max(limits["ratio_free"], limits["ratio"] * len(data)):
            raise Refused("file_too_large", f"it unpacks to more than {limits['ratio']} times its size")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Refused("file_encrypted")
        if part not in archive.namelist():
            raise Refused("file_type", "The content of the file is not what its name says.")
        for entry in entries:
            if entry.filename.lower().endswith((".xml", ".rels", ".vml")) and declares(archive.read(entry)):
                raise Refused("file_broken", "it contains a document type declaration")


def declares(data: bytes) -> bool:
    """Tell whether XML has a document type declaration; Office files have none, attacks by XML do."""
    return any(mark in data for mark in _DECLARATIONS)


def restrict(limits: dict[str, Any]) -> None:
    """Bound memory and CPU; give up writing files, starting processes and core dumps."""
    for kind, most in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (most, most))
    # SIGXCPU comes at the first figure and tells the parent what happened; nothing survives the second.
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"], limits["cpu_seconds"] + 1))


def main(kind: str, limits: dict[str, Any]) -> bytes:
    """Return what to write to standard output."""
    text = Text(limits["characters"])
    try:
        {"pdf": read_pdf, "docx": read_docx, "xlsx": read_xlsx}[kind](sys.stdin.buffer.read(), limits, text)
        found = str(text)
        if not found:
            raise Refused("file_empty")
    except Refused as refused:
        return b"-" + json.dumps({"rule": refused.rule, "detail": refused.detail}).encode()
    except MemoryError:
        return b'-{"rule": "file_too_large", "detail": "reading it takes too much memory"}'
    except Exception:  # a parser may raise anything at a hostile file
        return b'-{"rule": "file_broken", "detail": "it is damaged, or not what its name says"}'
    return b"+" + found.encode(errors="replace")


if __name__ == "__main__":
    given: dict[str, Any] = json.loads(sys.argv[2])
    restrict(given)
    logging.disable()
    sys.stdout.buffer.write(main(sys.argv[1], given))

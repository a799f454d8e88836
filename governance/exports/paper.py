"""A Word document that grows at its end, in steps whose cost does not grow with it.

Paragraphs are written as elements: python-docx looks its styles and the document's end up anew for each and takes a
text apart by characters, so that a long answer would keep a web process busy for minutes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from docx import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.oxml.table import CT_Tbl

from governance import rendering

#: Levels of headings and of lists for which Word's own template has styles.
HEADINGS: Final = 6
LISTS: Final = 3

#: How a piece of text may be marked, in the order in which Word wants to be told.
MARKS: Final = {"code": "w:rFonts", "bold": "w:b", "italic": "w:i", "strike": "w:strike"}
CODE_FONT: Final = "Consolas"

#: What XML cannot hold beyond control characters.
_UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")

#: A paragraph, as an element of the file.
Paragraph = Any
#: Writes into a paragraph; told whether it stands in the head of a table.
Fill = Callable[[Paragraph, bool], object]


def writable(text: str) -> str:
    """Return the text without what a file of XML cannot hold or a terminal would obey."""
    return _UNWRITABLE.sub("\ufffd", rendering.plain(text))


def write(paragraph: Paragraph, text: str, *marks: str) -> None:
    """Add a `writable` text to a paragraph, marked with some of MARKS; it stays text, whatever it looks like."""
    run = _within(paragraph, "w:r")
    if marks:
        how = _within(run, "w:rPr")
        for mark, tag in MARKS.items():
            if mark in marks:
                told = _within(how, tag)
                if mark == "code":
                    told.set(qn("w:ascii"), CODE_FONT)
                    told.set(qn("w:hAnsi"), CODE_FONT)
    for number, line in enumerate(text.split("\n")):
        if number:
            _within(run, "w:br")
        words = _within(run, "w:t")
        words.text = line.expandtabs(4)
        words.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")


def _within(parent: Any, tag: str) -> Any:
    element = parent.makeelement(qn(tag))
    parent.append(element)
    return element


class Paper:
    """The document: a title, and what is added below it."""

    def __init__(self, title: str, footer: str) -> None:
        self._document: Any = Document()
        self.about = self._document.core_properties
        self.about.title, self.about.author, self.about.comments = title[:255], "QUALISYS", ""
        section = self._document.sections[0]
        section.footer.paragraphs[0].text = footer
        self._width = section.page_width - section.left_margin - section.right_margin
        self._end = self._document.element.body.sectPr
        self._styles = {style.name: style.style_id for style in self._document.styles}
        self.paragraph("Title", title)

    def paragraph(self, style: str = "Normal", text: str = "", *marks: str) -> Paragraph:
        """Add a paragraph and return it."""
        added = OxmlElement("w:p")
        if style != "Normal":
            _within(_within(added, "w:pPr"), "w:pStyle").set(qn("w:val"), self._styles[style])
        if text:
            write(added, text, *marks)
        self._end.addprevious(added)
        return added

    def heading(self, level: int, text: str = "") -> Paragraph:
        """Add a heading; 1 is the first below the title."""
        return self.paragraph(f"Heading {min(level, HEADINGS)}", text)

    def point(self, depth: int, text: str = "") -> Paragraph:
        """Add a point of a list that is `depth` lists deep."""
        return self.paragraph(_leveled("List Bullet", depth), text)

    def continued(self, depth: int, marker: str = "") -> Paragraph:
        """Add a paragraph inside a list, behind a marker where it begins a point.

        Numbers are written out: Word would go on counting from the list before.
        """
        return self.paragraph(_leveled("List Continue", depth), f"{marker} " if marker else "")

    def code(self, text: str) -> None:
        """Add text as it is, in a fixed width."""
        self.paragraph("No Spacing", text.rstrip("\n"), "code")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table of texts; its first row is the head, in bold and repeated on every page."""
        self.filled_table([[partial(_write_cell, text) for text in row] for row in rows])

    def filled_table(self, rows: Sequence[Sequence[Fill]]) -> None:
        """Add a table, each of whose cells is filled by a function."""
        columns = max(len(row) for row in rows)
        table = CT_Tbl.new_tbl(len(rows), columns, self._width)
        table.tblStyle_val = self._styles["Table Grid"]
        for number, (row, contents) in enumerate(zip(table.tr_lst, rows, strict=True)):
            for cell, fill in zip(row.tc_lst, contents, strict=False):
                fill(cell.p_lst[0], number == 0)
            if number == 0:
                _within(row.get_or_add_trPr(), "w:tblHeader")
        self._end.addprevious(table)
        self.paragraph("No Spacing")

    def file(self) -> bytes:
        """Return the document's bytes."""
        written = io.BytesIO()
        self._document.save(written)
        return written.getvalue()


def _leveled(style: str, depth: int) -> str:
    return style if depth <= 1 else f"{style} {min(depth, LISTS)}"


def _write_cell(text: str, paragraph: Paragraph, is_head: bool) -> None:
    write(paragraph, text, *(["bold"] if is_head else []))

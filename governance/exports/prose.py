"""Markdown on paper. Links and images become words: nothing leads out of the file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from markdown_it.token import Token

from governance import rendering
from governance.exports.paper import Fill, Paper, Paragraph, writable, write

EMPHASIS: Final = {"strong": "bold", "em": "italic", "s": "strike"}


class Prose:
    """Writes Markdown, which it takes token by token."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        #: Open lists, outermost first: whether they are numbered.
        self.lists: list[bool] = []
        #: What begins the next paragraph in a list: its number, or "" for a bullet.
        self.marker: str | None = None
        self.quotes = 0
        self.heading = 0
        self.rows: list[list[Fill]] | None = None

    def write(self, text: str) -> None:
        """Add the Markdown."""
        for token in rendering.tokens(writable(text)):
            self._take(token)

    def _take(self, token: Token) -> None:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            self.lists.append(token.tag == "ol")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self.lists.pop()
        elif token.type == "list_item_open":
            self.marker = f"{token.info}." if self.lists[-1] else ""
        elif token.type in ("blockquote_open", "blockquote_close"):
            self.quotes += token.nesting
        elif token.type == "heading_open":
            self.heading = int(token.tag[1])
        elif token.type in ("fence", "code_block"):
            self.paper.code(token.content)
        elif token.type == "hr":
            self.paper.paragraph("Normal", "* * *")
        else:
            self._take_content(token)

    def _take_content(self, token: Token) -> None:
        if token.type == "table_open":
            self.rows = []
        elif token.type == "tr_open" and self.rows is not None:
            self.rows.append([])
        elif token.type == "table_close" and self.rows:
            self.paper.filled_table(self.rows)
            self.rows = None
        elif token.type == "inline" and self.rows:
            self.rows[-1].append(partial(_write_inline, token.children or []))
        elif token.type == "inline":
            _write_inline(token.children or [], self._paragraph())

    def _paragraph(self) -> Paragraph:
        heading, self.heading = self.heading, 0
        marker, self.marker = self.marker, None
        if heading:
            return self.paper.heading(heading)
        if not self.lists:
            return self.paper.paragraph("Quote" if self.quotes else "Normal")
        depth = len(self.lists)
        return self.paper.point(depth) if marker == "" else self.paper.continued(depth, marker or "")


def _write_inline(tokens: Sequence[Token], paragraph: Paragraph, is_head: bool = False) -> None:
    marks = {"bold"} if is_head else set()
    address = said = ""
    for token in tokens:
        kind, _, side = token.type.rpartition("_")
        if mark := EMPHASIS.get(kind):
            marks = marks | {mark} if side == "open" else marks - {mark}
        elif token.type == "link_open":
            address, said = str(token.attrs.get("href", "")), ""
        elif token.type == "link_close":
            if said != address:
                write(paragraph, f" ({writable(address)})", *marks)
        elif words := _words(token):
            said += words
            write(paragraph, words, *marks, *(["code"] if token.type == "code_inline" else []))


def _words(token: Token) -> str:
    if token.type == "image":
        return f"[image: {token.content or 'without description'}]"
    return {"softbreak": " ", "hardbreak": "\n"}.get(token.type, token.content)

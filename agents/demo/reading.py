"""Reads prose: headings, list items, table rows, sentences, and the ids that requirements carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agents.demo.material import Document
from agents.demo.structured import cells_of, readable

MAX_SENTENCES = 4_000
#: Longer sentences are cut: nothing quotable is that long, and rules stay fast on hostile input.
MAX_SENTENCE = 600

#: REQ-012, FR-3, NFR-1.2, PP-REQ-004. The hyphen keeps ordinary words with digits out.
ID = r"[A-Z][A-Z0-9]{0,9}(?:-[A-Z][A-Z0-9]{0,9}){0,2}-\d{1,5}(?:\.\d{1,3}){0,3}"
_ID = re.compile(rf"(?<![\w-]){ID}(?![\w-])")
_LEADING_ID = re.compile(rf"^[\[(*`\"]{{0,3}}({ID})[\])*`\"]{{0,3}}(?:\s*[:.,;|–—-]\s*|\s+)")
#: Names of standards look like ids and are none.
_STANDARDS = re.compile(
    r"^(?:ISO|IEC|RFC|UTF|SHA|AES|TLS|SSL|HTTP|CVE|CWE|WCAG|HL|IEEE|EN|DIN|NIST|MD|COVID)-"
)

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_NUMBERED_HEADING = re.compile(r"^\d{1,2}(?:\.\d{1,2}){0,3}\.?\s+[A-Z][^.:;!?]{2,70}$")
_ITEM = re.compile(r"^(?:[-*•+–]|\(?[a-z0-9]{1,2}[.)])\s+")
_RULE_ROW = re.compile(r"^[\s|:-]+$")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[A-Z\"'(\[<])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|approx|no|vs|incl|resp|dr|mr|ms|fig)|\b[A-Z])\.$", re.I)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with its place: 1-based line, section heading, and the requirement id it belongs to."""

    text: str
    document: str
    line: int
    section: str
    ident: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, list item, table row or paragraph before it is cut into sentences."""

    kind: str
    text: str
    line: int


def find_ids(text: str) -> list[str]:
    """Return the requirement ids a text mentions, in order and once each."""
    found = (match.group() for match in _ID.finditer(text))
    return list(dict.fromkeys(ident for ident in found if not _STANDARDS.match(ident)))


def read_sentences(documents: Iterable[Document]) -> list[Sentence]:
    """Return the sentences of all documents, at most `MAX_SENTENCES`."""
    sentences: list[Sentence] = []
    for document in documents:
        section = ""
        for block in read_blocks(readable(document)):
            if block.kind == "heading":
                section = block.text
                continue
            sentences.extend(_sentences_of(block, document.name, section))
            if len(sentences) >= MAX_SENTENCES:
                return sentences[:MAX_SENTENCES]
    return sentences


def read_blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a text. Fenced code is skipped: it is not prose."""
    paragraph: list[str] = []
    start = 0
    fenced = False
    lines = text.split("\n")
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if line.startswith(("```", "~~~")):
            fenced = not fenced
            continue
        if fenced:
            continue
        block = _single_line_block(line, number, lines)
        if (block or not line or _LEADING_ID.match(line)) and paragraph:
            yield Block("text", " ".join(paragraph), start)
            paragraph = []
        if block:
            yield block
        elif line:
            start = start if paragraph else number
            paragraph.append(line.removeprefix("> "))
    if paragraph:
        yield Block("text", " ".join(paragraph), start)


def _single_line_block(line: str, number: int, lines: list[str]) -> Block | None:
    if heading := _HEADING.match(line):
        return Block("heading", heading.group(2), number)
    if line.startswith("|"):
        return None if _RULE_ROW.match(line) else Block("row", line, number)
    # A list item looks like a numbered heading, but stands among others.
    alone = all(not lines[near].strip() for near in (number - 2, number) if 0 <= near < len(lines))
    if alone and _NUMBERED_HEADING.match(line):
        return Block("heading", line, number)
    if _ITEM.match(line):
        return Block("item", _ITEM.sub("", line, count=1), number)
    return None


def _sentences_of(block: Block, document: str, section: str) -> Iterator[Sentence]:
    text, ident = block.text, None
    if block.kind == "row":
        cells = cells_of(text)
        ident = next((cell for cell in cells if _ID.fullmatch(cell)), None)
        if ident is None:
            return
        text = max((cell for cell in cells if cell != ident), key=len, default="")
    elif (leading := _LEADING_ID.match(text)) and not _STANDARDS.match(leading.group(1)):
        ident, text = leading.group(1), text[leading.end() :]
    for sentence in split_sentences(text):
        yield Sentence(sentence, document, block.line, section, ident)


def split_sentences(text: str) -> list[str]:
    """Cut a paragraph into sentences; abbreviations do not end one."""
    pieces: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if pieces and len(pieces[-1]) < MAX_SENTENCE and _ABBREVIATION.search(pieces[-1][-8:]):
            pieces[-1] = f"{pieces[-1]} {piece}"
        else:
            pieces.append(piece)
    return [piece.strip()[:MAX_SENTENCE] for piece in pieces if piece.strip()]

"""What a text says once it is decoded: escapes, base64 and hexadecimal, hidden code points, rot13, backwards.

One layer is undone, in place, so that a decoded sentence still stands among the words around it. Nothing decoded
is longer than what it was decoded from.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Iterator

from tenants.prompts import normalize
from tenants.prompts.normalize import Reading

Pieces = list[tuple[int, str]]

_ESCAPES = re.compile(
    r"(?P<base64>[A-Za-z0-9+/_-]{20,}={0,2})|(?P<percent>(?:%[0-9A-Fa-f]{2})+)|(?P<entity>&#?[0-9A-Za-z]{2,8};)"
    r"|(?P<escape>\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}))|(?P<bytes>(?:[0-9A-Fa-f]{2}[ :,-]){8,}[0-9A-Fa-f]{2})"
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){10,}")
#: Code points that print nothing and can carry text: the tags mirror ASCII, variation selectors can stand for bytes.
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")


def readings(text: str) -> Iterator[Reading]:
    """Yield what is hidden in `text`, as readings of its own."""
    decoded = _decoded(list(normalize.printed(text)))
    if decoded:
        yield from normalize.readings("decoded", decoded)
    for kind, pieces in (("tags", _tags(text)), ("selectors", _selectors(text))):
        if pieces:
            yield from normalize.readings(kind, pieces)


def turned(words: Reading) -> Iterator[Reading]:
    """Yield bare words as they read backwards and in rot13."""
    yield Reading("backwards", words.text[::-1], words.at[::-1])
    yield Reading("rot13", codecs.encode(words.text, "rot13"), words.at)


def _decoded(known: Pieces) -> Pieces:
    """Return the printed text with its escapes undone; nothing where there are none."""
    text = "".join(letter for _, letter in known)
    pieces: Pieces = []
    last = 0
    for match in _ESCAPES.finditer(text):
        meant = _meant(match)
        if meant is not None:
            pieces.extend(known[last : match.start()])
            places = [place for place, _ in known[match.start() : match.end()]]
            pieces.extend(zip(places, meant, strict=False))
            last = match.end()
    return [*pieces, *known[last:]] if last else []


def _meant(match: re.Match[str]) -> str | None:
    """Return what an escape stands for, or None where it only looks like one."""
    kind, said = match.lastgroup, match[0]
    if kind == "entity":
        letter = html.unescape(said)
        return letter if letter != said else None
    if kind == "escape":
        return _storable(chr(int(said[2:], 16)))
    if kind == "percent":
        return _text(bytes.fromhex(said.replace("%", "")))
    if kind == "bytes":
        return _words(bytes.fromhex(re.sub("[ :,-]", "", said)))
    if _HEX.fullmatch(said):
        return _words(bytes.fromhex(said))
    return _words(_base64(said))


def _base64(said: str) -> bytes:
    body = said.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4))
    except binascii.Error:
        return b""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _words(raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text and all(letter.isprintable() or letter.isspace() for letter in text) else None


def _storable(letter: str) -> str | None:
    return None if "\ud800" <= letter <= "\udfff" else letter


def _tags(text: str) -> Pieces:
    return [
        (match.start() + n, chr(ord(letter) - 0xE0000))
        for match in _TAGS.finditer(text)
        for n, letter in enumerate(match[0])
    ]


def _selectors(text: str) -> Pieces:
    pieces: Pieces = []
    for match in _SELECTORS.finditer(text):
        raw = bytes(code - 0xFE00 if (code := ord(each)) < 0xFE10 else code - 0xE00F0 for each in match[0])
        pieces.extend((match.start() + n, letter) for n, letter in enumerate(_words(raw) or ""))
    return pieces

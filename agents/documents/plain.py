"""Files that are text already: they are decoded and checked in this process, which is quick at their size."""

from __future__ import annotations

import codecs

import orjson

from agents.documents.limits import Limits
from agents.documents.refusals import refuse

#: How files start that are no text, whatever they are called.
_BINARY = (b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\x89PNG", b"\x7fELF")

#: Makes both kinds of JSON brackets one kind, and drops everything else.
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def read_text(name: str, kind: str, data: bytes, limits: Limits) -> str:
    """Return the text of a csv, json, md or txt file."""
    if data.startswith(_BINARY):
        raise refuse(name, "file_type", f"The content of the file is not that of a .{kind} file.")
    text = _decode(name, data)
    if "\0" in text:
        raise refuse(name, "file_not_utf8", "it contains NUL characters")
    if len(text) > limits.characters:
        raise refuse(name, "file_too_long", f"at most {limits.characters:,} characters are read")
    if not text.strip():
        raise refuse(name, "file_empty")
    if kind == "json":
        _check_json(name, text, limits)
    return text


def _decode(name: str, data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(name, "file_not_utf8", f"byte {error.start} does not fit") from None


def _check_json(name: str, text: str, limits: Limits) -> None:
    data = text.encode()
    too_deep = f"its JSON is nested more than {limits.depth} levels deep"
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        # The parser has a bound of its own, well above ours.
        why = too_deep if "depth limit" in str(error) else f"it is not valid JSON in line {error.lineno}"
        raise refuse(name, "file_broken", why) from None
    if _is_deeper(data, limits.depth):
        raise refuse(name, "file_broken", too_deep)


def _is_deeper(data: bytes, depth: int) -> bool:
    """Tell whether valid JSON is nested deeper than `depth`; each pass removes the innermost level."""
    brackets = _without_strings(data).translate(_ONE_KIND, _NO_BRACKET)
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _without_strings(data: bytes) -> bytes:
    """Return valid JSON without its strings, whose brackets do not count."""
    parts = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return b"".join(parts[::2])

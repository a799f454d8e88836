"""Text of uploaded documents.

`extract` takes what somebody uploaded and returns its text, or raises a `validation_error` that says what is
wrong with the file. Text files are read here; PDF, Word and Excel files are parsed by a process of their own
that may use only so much time and memory, because their formats are large and their authors unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.documents.limits import LIMITS, Limits
from agents.documents.names import check_name
from agents.documents.plain import read_text
from agents.documents.refusals import refuse
from agents.documents.sandbox import parse

__all__ = ["LIMITS", "TYPES", "Limits", "check_name", "extract", "type_of"]

#: File types that can be read at all.
TYPES = ("csv", "docx", "json", "md", "pdf", "txt", "xlsx")

#: Other names of types, in what agents list and as file extensions.
_SYNONYMS = {"markdown": "md", "text": "txt", "log": "txt"}

#: How a file of these types must start.
_MAGIC = {"pdf": b"%PDF-", "docx": b"PK\x03\x04", "xlsx": b"PK\x03\x04"}

#: How Office files start that are encrypted, or older than docx and xlsx.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


async def extract(name: str, data: bytes, *, allowed: Sequence[str], limits: Limits = LIMITS) -> str:
    """Return the text of a file.

    `allowed` are the types the agent lists; "markdown" and "text" are understood as md and txt.
    Raises `validation_error` with the field `files.<name>`. Cancelling kills the parser.
    """
    check_name(name)
    kind = type_of(name)
    accepted = sorted({_SYNONYMS.get(listed.lower(), listed.lower()) for listed in allowed} & set(TYPES))
    if kind not in accepted:
        readable = ", ".join(accepted) or "no files at all"
        raise refuse(name, "file_type", f"This agent does not read such files; it reads {readable}.")
    if not data:
        raise refuse(name, "file_empty")
    if len(data) > limits.bytes:
        raise refuse(name, "file_too_large", f"at most {limits.bytes / (1 << 20):g} MB are read")
    if kind not in _MAGIC:
        return read_text(name, kind, data, limits)
    _check_magic(name, kind, data)
    return await parse(name, kind, data, limits)


def type_of(name: str) -> str:
    """Return the file type that a name's extension says, "" for none."""
    stem, dot, extension = name.rpartition(".")
    extension = extension.lower() if stem and dot else ""
    return _SYNONYMS.get(extension, extension)


def _check_magic(name: str, kind: str, data: bytes) -> None:
    if data.startswith(_COMPOUND) and _ENCRYPTED in data:
        raise refuse(name, "file_encrypted")
    # Some programs put a byte order mark or blank lines before a PDF, and every reader takes that.
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n") if kind == "pdf" else data
    if not start.startswith(_MAGIC[kind]):
        raise refuse(name, "file_type", f"The content of the file is not that of a .{kind} file.")

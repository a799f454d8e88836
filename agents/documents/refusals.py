"""Why a file is refused, in words for the person who uploaded it."""

from __future__ import annotations

from qualisys.problems import Problem, invalid

#: rule -> sentence; `detail` fills in what the rule leaves open.
_SENTENCES = {
    "file_name": "{detail}",
    "file_type": "{detail}",
    "file_too_large": "The file is too large: {detail}.",
    "file_too_long": "The file is too long: {detail}.",
    "file_encrypted": "The file is encrypted. Remove its password and upload it again.",
    "file_broken": "The file cannot be read: {detail}.",
    "file_timeout": "Reading the file takes too long. Upload a shorter or simpler one.",
    "file_not_utf8": "The file is not plain text in UTF-8: {detail}.",
    "file_empty": "The file holds no text. Scanned pages have to be recognised (OCR) first.",
}


def refuse(name: str, rule: str, detail: str = "") -> Problem:
    """Return the `validation_error` for the file called `name`, or for all files when it is empty."""
    field = f"files.{name}" if name else "files"
    return invalid(field, rule, _SENTENCES[rule].format(detail=detail))

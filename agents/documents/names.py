"""Names of uploaded files: shown to people and written to logs, never used as paths."""

from __future__ import annotations

import unicodedata

from agents.documents.refusals import refuse

MAX_NAME = 200

#: Characters that reorder the text around them, so that `exe.txt` can look like `txt.exe`.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

#: Unicode categories of control characters, surrogates, unassigned code points and line separators.
_REFUSED_CATEGORIES = frozenset(("Cc", "Cs", "Cn", "Zl", "Zp"))


def check_name(name: str) -> str:
    """Return the name as it came, or raise `validation_error` (rule `file_name`)."""
    if not name.strip(" .") or len(name) > MAX_NAME:
        raise refuse("", "file_name", f"A file name has 1 to {MAX_NAME} characters.")
    if "/" in name or "\\" in name:
        raise refuse("", "file_name", "A file name contains no folders.")
    if any(char in _BIDI or unicodedata.category(char) in _REFUSED_CATEGORIES for char in name):
        raise refuse("", "file_name", "A file name contains no control characters.")
    return name

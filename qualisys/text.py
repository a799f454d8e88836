"""What every part of the system can carry: no NUL (PostgreSQL), no lone surrogate (UTF-8), no huge number.

PostgreSQL keeps a number such as 1e40 as an integer of 41 digits, which the JSON writer cannot write again.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from qualisys.problems import Problem

#: Levels of nesting that a document may have; every library behind the doors can still write that much.
MAX_DEPTH = 100

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LEAST, _BEYOND = -(2**63), 2**64


def unstorable(value: Any) -> bool:
    """Tell whether a JSON-like value holds a NUL, a lone surrogate or a number beyond 64 bits anywhere."""
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is not None
    if isinstance(value, dict):
        return any(unstorable(key) or unstorable(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(unstorable(item) for item in value)
    return isinstance(value, int | float) and not _LEAST <= value < _BEYOND


def deeper_than(value: Any, levels: int) -> bool:
    """Tell whether a JSON-like value is nested deeper than `levels`; asked before anything recurses into it."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [each for each in layer if isinstance(each, dict | list)]
        if not layer:
            return False
        layer = [item for each in layer for item in (each.values() if isinstance(each, dict) else each)]
    return True


def read_json(raw: bytes | str) -> Any:
    """Return the JSON document that somebody sent; raise a `validation_error` for what cannot be carried."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem("validation_error", f"This is not valid JSON: {error}"[:300]) from error
    if deeper_than(value, MAX_DEPTH):
        raise Problem("validation_error", f"This is nested more than {MAX_DEPTH} levels deep.")
    if unstorable(value):
        detail = "NUL characters, lone surrogates and numbers beyond 64 bits are not accepted."
        raise Problem("validation_error", detail)
    return value


def clean(value: str) -> str:
    """Return text from outside (a model's answer) with what cannot be stored replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", value) if _UNSTORABLE.search(value) else value


def clean_json(value: Any) -> Any:
    """Return a JSON-like value from outside with every text in it cleaned and huge numbers written as text."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return str(value) if unstorable(value) else value

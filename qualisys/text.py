"""Text that every part of the system can carry: no NUL (PostgreSQL) and no lone surrogate (UTF-8)."""

from __future__ import annotations

import re
from typing import Any

import orjson

from qualisys.problems import Problem

#: Levels of nesting that a document may have; every library behind the doors can still write that much.
MAX_DEPTH = 100

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def unstorable(value: Any) -> bool:
    """Tell whether a JSON-like value holds a NUL or a lone surrogate anywhere."""
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is not None
    if isinstance(value, dict):
        return any(unstorable(key) or unstorable(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(unstorable(item) for item in value)
    return False


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
        raise Problem("validation_error", "NUL characters and lone surrogates are not accepted.")
    return value


def clean(value: str) -> str:
    """Return text from outside (a model's answer) with what cannot be stored replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", value) if _UNSTORABLE.search(value) else value


def clean_json(value: Any) -> Any:
    """Return a JSON-like value from outside with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return value

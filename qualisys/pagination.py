"""Cursor pagination: `{items, next_cursor}`; a cursor is opaque and names the last item seen."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from qualisys.problems import Problem, invalid
from qualisys.text import unstorable

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


def encode(values: list[Any]) -> str:
    """Return the cursor behind an item whose sort values are `values`."""
    return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).decode().rstrip("=")


def bad_cursor() -> Problem:
    """Return the refusal of a cursor that is none of ours."""
    return invalid("cursor", "cursor", "Use the next_cursor of the page before, unchanged.")


def decode(cursor: str | None, length: int) -> list[Any] | None:
    """Return the sort values of a cursor, None for the first page; raise `validation_error` for another text."""
    if not cursor:
        return None
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise bad_cursor() from error
    if (
        not isinstance(values, list)
        or len(values) != length
        or any(not isinstance(v, str | int) or unstorable(v) for v in values)
    ):
        raise bad_cursor()
    return values


def limit_of(limit: int | None) -> int:
    """Return the page size, within bounds; raise `validation_error` outside them."""
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid("limit", "range", f"Ask for 1 to {MAX_LIMIT} items.")
    return limit

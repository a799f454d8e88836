"""Fits an answer into the room the caller gives: a cut-off answer is no valid JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def dump(answer: Any) -> str:
    """Return the answer as compact JSON text."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def fit(build: Callable[[T], dict[str, Any]], choices: Iterable[T], room: int) -> dict[str, Any]:
    """Return the first answer of at most `room` bytes; when none fits, the last one."""
    answer: dict[str, Any] = {}
    for choice in choices:
        answer = build(choice)
        if len(dump(answer).encode()) <= room:
            break
    return answer


def shorten(answer: dict[str, Any], room: int) -> dict[str, Any]:
    """Halve the largest lists until the answer fits: the last resort of composers that could not."""
    shortened = json.loads(dump(answer))
    for _ in range(60):
        if len(dump(shortened).encode()) <= room:
            return shortened if isinstance(shortened, dict) else answer
        holder, key = _largest_list(shortened)
        if holder is None:
            break
        holder[key] = holder[key][: len(holder[key]) // 2]
    return answer


def _largest_list(answer: dict[str, Any]) -> tuple[Any, Any]:
    """Return the holder and key of the list that takes most bytes, on the first two levels."""
    places = [(answer, key) for key in answer]
    places += [(value, key) for value in answer.values() if isinstance(value, dict) for key in value]
    lists = [
        (holder, key) for holder, key in places if isinstance(holder[key], list) and len(holder[key]) > 1
    ]
    return max(lists, key=lambda place: len(dump(place[0][place[1]])), default=(None, None))

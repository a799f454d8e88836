"""Cursors: opaque, but not to be trusted."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from qualisys import pagination
from qualisys.problems import Problem


def cursor(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    ["x", "é", "====", "a b", cursor(b"{}"), cursor(b"1"), cursor(b"null"), cursor(b"[]"),
     cursor(b"[1, 2]"), cursor(b"[null]"), cursor(b"[[1]]"), cursor(b"[1.5]"), cursor(b'["\\u0000"]'), cursor(b"\xff"),
     cursor(b"[" * 2_000), cursor(b"[1e40]")],
)  # fmt: skip
def test_decode__not_one_of_ours__refused(text: str) -> None:
    with pytest.raises(Problem, match="validation_error"):
        pagination.decode(text, 1)


@pytest.mark.parametrize("text", [None, ""])
def test_decode__none__is_the_first_page(text: str | None) -> None:
    assert pagination.decode(text, 1) is None


@pytest.mark.parametrize("values", [["logreader"], [7], ["é/?&="], ["x" * 1000]])
def test_encode__and_back__is_the_same(values: list[Any]) -> None:
    text = pagination.encode(values)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert pagination.decode(text, 1) == values


@pytest.mark.parametrize("limit", [0, -1, 201, 10**9])
def test_limit__out_of_bounds__refused(limit: int) -> None:
    with pytest.raises(Problem, match="1 to 200"):
        pagination.limit_of(limit)


def test_limit__in_bounds__is_taken() -> None:
    assert [pagination.limit_of(limit) for limit in (None, 1, 200)] == [50, 1, 200]

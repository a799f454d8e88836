"""What every part of the system can carry, and what none can."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualisys.problems import Problem
from qualisys.text import MAX_DEPTH, clean, clean_json, deeper_than, read_json, unstorable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=[])), inner),
    max_leaves=20,
)


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    ["\x00", "a\x00", "\ud800", "a\udfff", {"\x00": 1}, {"a": ["\x00"]}, [["\ud800"]], ("\x00",), 2**64,
     -(2**63) - 1, 1e40, float("inf"), float("nan"), {"a": [1e20]}],
)  # fmt: skip
def test_unstorable__anywhere_inside__is_found(value: Any) -> None:
    assert unstorable(value)


@pytest.mark.parametrize(
    "value", ["", "é\u202e\x01\ufffe\U0001f600", 2**64 - 1, -(2**63), 0.1, 1e-300, True, None, {"a": [1]}]
)
def test_unstorable__legal_if_strange__is_not(value: Any) -> None:
    assert not unstorable(value)


@pytest.mark.parametrize("levels", [0, 1, 2, 100])
def test_deeper_than__counts_containers(levels: int) -> None:
    assert not deeper_than(nested(levels), levels)
    assert deeper_than(nested(levels + 1), levels)


@given(JSON)
def test_clean_json__of_anything__can_be_stored_and_written(value: Any) -> None:
    cleaned = clean_json(value)
    assert not unstorable(cleaned)
    assert orjson.loads(orjson.dumps(cleaned)) == json.loads(json.dumps(cleaned))


@given(st.text(st.characters(exclude_categories=[])))
def test_clean__keeps_the_length_and_what_is_legal(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert all(new in (old, "\ufffd") for old, new in zip(text, cleaned, strict=True))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"\xff", b"NaN", b"[Infinity]", b"1e999", b'"\\ud800"', b'"\\u0000"', b'{"\\u0000": 1}', b"1e40",
     b"[" * 101 + b"]" * 101, b"[" * 100_000],
)  # fmt: skip
def test_read_json__what_cannot_be_carried__refused(raw: bytes) -> None:
    with pytest.raises(Problem, match="validation_error"):
        read_json(raw)


def test_read_json__at_the_depth_that_is_allowed__is_read() -> None:
    value = nested(MAX_DEPTH)
    assert read_json(orjson.dumps(value)) == value


@given(JSON)
def test_read_json__whatever_it_accepts__goes_through_every_writer(value: Any) -> None:
    try:
        read = read_json(json.dumps(value))
    except Problem:
        return
    assert orjson.loads(orjson.dumps(read)) == read
    json.dumps(read, allow_nan=False).encode()

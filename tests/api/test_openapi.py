"""The API describes itself, completely and as committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from qualisys.management.commands.openapi import SNAPSHOT
from tests.portal import ROOT, Portal


@pytest.fixture(scope="module")
def described(portal: Portal) -> dict[str, Any]:
    with portal.client("acme", None) as client:
        answer: dict[str, Any] = client.get("/openapi.json").json()
    return answer


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_snapshot__is_what_the_code_says() -> None:
    call_command("openapi", "--check")


def test_snapshot__that_differs__fails_with_what_to_do(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    with pytest.raises(CommandError, match=r"manage\.py openapi"):
        call_command("openapi", "--check")


def test_snapshot__is_what_is_served(described: dict[str, Any]) -> None:
    assert json.loads((ROOT / SNAPSHOT).read_text())["paths"] == described["paths"]


def test_operations__all_say_what_they_do(described: dict[str, Any]) -> None:
    silent = [name for name, operation in operations(described) if not operation.get("description")]
    untagged = [name for name, operation in operations(described) if not operation.get("tags")]
    assert (silent, untagged) == ([], [])


def test_operations__all_announce_their_refusals_as_problems(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        refusals = {status: each for status, each in operation["responses"].items() if int(status) >= 400}
        assert {"401", "403", "404", "422"} <= set(refusals), name
        assert {kind for each in refusals.values() for kind in each["content"]} == {
            "application/problem+json"
        }, name


def test_operation_ids__are_unique(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(described)]
    assert len(names) == len(set(names))


def test_bodies__all_have_an_example(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    shapes = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for _, operation in operations(described)
        if "requestBody" in operation
    ]
    # A body that may be left out is one of two: itself or nothing.
    bodies = {
        (shape.get("anyOf") or shape.get("allOf") or [shape])[0]["$ref"].rsplit("/", 1)[1] for shape in shapes
    }
    bare = {
        name
        for name in bodies
        if "example" not in schemas[name]
        and not any(
            "examples" in field or "example" in field for field in schemas[name]["properties"].values()
        )
    }
    assert bodies
    assert bare == set()

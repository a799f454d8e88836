"""Shapes that every part of the API shares."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from ninja import Schema
from pydantic import Field

T = TypeVar("T")


class ProblemOut(Schema):
    """An RFC 9457 problem document."""

    type: str = Field(examples=["urn:qualisys:problem:agent_not_found"])
    title: str = Field(examples=["Agent not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no agent 'nobody' that you can use."])
    code: str = Field(examples=["agent_not_found"])
    request_id: str = Field(examples=["5f0c6f3d2f0b4bb1a2f4a9c1d9b6b8e7"])
    errors: list[dict[str, str]] | None = None
    run_id: str | None = None


class Page(Schema, Generic[T]):
    """A page of items; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


#: What any route may answer instead of its own shape.
REFUSALS: dict[Any, Any] = {
    frozenset({401, 403, 404, 405, 409, 412, 413, 422, 429, 502, 503, 504}): ProblemOut
}

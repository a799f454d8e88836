"""Shapes of the API of prices and stops."""

from __future__ import annotations

from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from agents.definitions import Provider
from agents.prices import Listed


class PricesIn(Schema):
    """What replaces the price table, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "items": [{"provider": "openai", "model": "gpt-4o", "input_price": 2.5, "output_price": 10}],
                "reason": "Prices of this quarter.",
            }
        },
    )

    items: list[Listed] = Field(max_length=1000)
    reason: str = Field(default="", max_length=1000)


class PriceOut(Schema):
    """A line of the price table: US dollars per million tokens, and the longest answer in tokens."""

    provider: str
    model: str
    input_price: float
    output_price: float
    max_output_tokens: int | None
    source: str


class PricesOut(Schema):
    """The price table. A model that is not in it counts as the dearest that is."""

    items: list[PriceOut]


class StopIn(Schema):
    """What is stopped, and why; without a model, all of the provider's are."""

    model_config = ConfigDict(extra="forbid")

    provider: Provider = Field(examples=["openai"])
    model: str = Field(default="", max_length=100, examples=["gpt-4o"])
    reason: str = Field(min_length=1, max_length=1000, examples=["Wrong answers since this morning."])


class StopOut(Schema):
    """A provider, or one of its models (empty: all of them), that was stopped by hand."""

    id: UUID
    provider: str
    model: str
    reason: str
    created_at: str

"""What models cost: the table as the run path reads it, and the reckoning in millionths of a dollar."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agents.guard.plan import Price
from agents.models import ModelPrice
from qualisys import cache, tenancy
from qualisys.cache import Cached

SHIPPED = Path(__file__).with_name("prices.toml")


_Dollars = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=10, decimal_places=4)]


class Listed(BaseModel):
    """A line of the price table: US dollars per million tokens, and the longest answer in tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(examples=["openai"])
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(examples=["gpt-4o"])
    input_price: _Dollars = Field(examples=[2.5])
    output_price: _Dollars = Field(examples=[10])
    max_output_tokens: Annotated[int, Field(ge=1, le=10_000_000, strict=True)] | None = None
    source: Annotated[str, StringConstraints(max_length=200)] = ""


FREE = Price(0, 0)
#: What a model at least counts as whose price nobody has entered.
DEAREST = Price(5, 25)

Prices = Mapping[tuple[str, str], Price]


def load() -> Prices:
    """Return the price table from the database."""
    with tenancy.use(tenancy.platform("read prices")):
        return {
            (row.provider, row.model): Price(
                float(row.input_price), float(row.output_price), row.max_output_tokens
            )
            for row in ModelPrice.objects.all()
        }


_prices: Cached[str, Prices] = Cached(lambda _: load(), topics=lambda _: (cache.AGENTS,))


async def table() -> Prices:
    """Return the price table."""
    return await _prices.get("")


def price_of(prices: Prices, provider: str, model: str, *, demo: bool) -> Price:
    """Return a model's price; one that is not in the table counts as the dearest, so no ceiling is passed unseen.

    The demo model costs nothing.
    """
    if demo:
        return FREE
    found = prices.get((provider, model))
    if found is not None:
        return found
    known = [*prices.values(), DEAREST]
    return Price(max(each.input for each in known), max(each.output for each in known), known=False)


def shipped() -> Iterator[dict[str, Any]]:
    """Yield the rows that an installation begins with."""
    for provider, models in tomllib.loads(SHIPPED.read_text(encoding="utf-8")).items():
        for model, price in models.items():
            yield {
                "provider": provider,
                "model": model,
                "input_price": price["input"],
                "output_price": price["output"],
                "max_output_tokens": price["max_output"],
                "source": "shipped, list price of 2025",
            }

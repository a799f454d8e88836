"""The numbers a scope may set: the one shape that API, console, pages and services read."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Tokens = Annotated[int, Field(ge=1, le=10**15, strict=True)]
_Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
_Seconds = Annotated[int, Field(ge=1, le=3600, strict=True)]
_Money = Annotated[Decimal, Field(ge=0, le=10**7, max_digits=12, decimal_places=4)]


class Spending(BaseModel):
    """What may be spent; None leaves a number to the wider scope. Money in US dollars; days and months in UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily_tokens: _Tokens | None = Field(default=None, title="Tokens a day", examples=[500_000])
    monthly_tokens: _Tokens | None = Field(default=None, title="Tokens a month")
    daily_cost: _Money | None = Field(default=None, title="US dollars a day", examples=[12.5])
    monthly_cost: _Money | None = Field(default=None, title="US dollars a month")
    runs_per_minute: _Count | None = Field(default=None, title="Runs a minute")
    concurrent_runs: _Count | None = Field(default=None, title="Runs at once")


class Conduct(BaseModel):
    """How long a model may be silent, in seconds, and when a circuit opens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_token_seconds: _Seconds | None = Field(default=None, title="Seconds to the first token")
    gap_seconds: _Seconds | None = Field(default=None, title="Seconds between tokens")
    breaker_failures: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = Field(
        default=None, title="Failures that open a circuit"
    )
    breaker_window_seconds: Annotated[int, Field(ge=10, le=3600, strict=True)] | None = Field(
        default=None, title="Seconds in which they count"
    )
    breaker_share: Annotated[float, Field(ge=0, le=1, strict=True)] | None = Field(
        default=None, title="Least share of the runs (0 to 1)"
    )
    breaker_cooldown_seconds: _Seconds | None = Field(
        default=None, title="Seconds until an open circuit is tried again"
    )


class Numbers(Conduct, Spending):
    """Limits of one scope; None leaves a number to the wider scope."""

    guard_percentage: Annotated[int, Field(ge=0, le=100, strict=True)] | None = Field(
        default=None, title="Tenants whose runs the guard refuses, in percent"
    )

    def stored(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return self.model_dump(mode="json")


NOTHING = Numbers()
#: What may be spent; a tenant may set these for itself, lower than the platform's.
SPENDING = tuple(Spending.model_fields)
#: How long a model may be silent and when a circuit opens: the nearest row that says something holds.
CONDUCT = tuple(Conduct.model_fields)
#: What each number is called.
TITLES = {name: field.title or name for name, field in Numbers.model_fields.items()}

#: What holds where no row says anything; a day of one agent is DAILY_RUNS of its largest runs.
DAILY_RUNS = 100
TENANT_DEFAULTS = {"runs_per_minute": 600, "concurrent_runs": 50}
BREAKER = ("breaker_failures", "breaker_window_seconds", "breaker_share", "breaker_cooldown_seconds")
CONDUCT_DEFAULTS = {
    "breaker_failures": 5,
    "breaker_window_seconds": 120,
    "breaker_share": 0.1,
    "breaker_cooldown_seconds": 60,
}
GUARD_PERCENTAGE = 100


def in_words(name: str, value: Any) -> str:
    """Return a number with its unit, as people read it."""
    if name.endswith("_cost"):
        return f"${value:,.2f}" if value == round(value, 2) else f"${value:,.4f}"
    if name.endswith("_tokens"):
        return f"{value:,} tokens"
    if name.endswith("_seconds"):
        return f"{value:,} s"
    if name in ("breaker_share", "guard_percentage"):
        return f"{value * 100 if name == 'breaker_share' else value:g} %"
    return f"{value:,} {'failures' if name == 'breaker_failures' else 'runs'}"

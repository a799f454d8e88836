"""The numbers a scope may set: the one shape that API, console, pages and services read."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Tokens = Annotated[int, Field(ge=1, le=10**15, strict=True)]
_Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
_Seconds = Annotated[int, Field(ge=1, le=3600, strict=True)]
_Money = Annotated[Decimal, Field(ge=0, le=10**7, max_digits=12, decimal_places=4)]


class Numbers(BaseModel):
    """Limits of one scope; None leaves a number to the wider scope. Money in US dollars, time in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily_tokens: _Tokens | None = None
    monthly_tokens: _Tokens | None = None
    daily_cost: _Money | None = None
    monthly_cost: _Money | None = None
    runs_per_minute: _Count | None = None
    concurrent_runs: _Count | None = None
    first_token_seconds: _Seconds | None = None
    gap_seconds: _Seconds | None = None
    breaker_failures: Annotated[int, Field(ge=1, le=1000, strict=True)] | None = None
    breaker_window_seconds: Annotated[int, Field(ge=10, le=3600, strict=True)] | None = None
    breaker_share: Annotated[float, Field(ge=0, le=1)] | None = None
    breaker_cooldown_seconds: _Seconds | None = None
    guard_percentage: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None

    def stored(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return self.model_dump(mode="json")


#: What may be spent; a tenant may set these for itself, lower than the platform's.
SPENDING = (
    "daily_tokens",
    "monthly_tokens",
    "daily_cost",
    "monthly_cost",
    "runs_per_minute",
    "concurrent_runs",
)
#: How long a model may be silent and when a circuit opens: the nearest row that says something holds.
CONDUCT = (
    "first_token_seconds",
    "gap_seconds",
    "breaker_failures",
    "breaker_window_seconds",
    "breaker_share",
    "breaker_cooldown_seconds",
)

#: What holds where no row says anything; a day of one agent is DAILY_RUNS of its largest runs.
DAILY_RUNS = 100
TENANT_DEFAULTS = {"runs_per_minute": 600, "concurrent_runs": 50}
CONDUCT_DEFAULTS = {
    "breaker_failures": 5,
    "breaker_window_seconds": 120,
    "breaker_share": 0.1,
    "breaker_cooldown_seconds": 60,
}
GUARD_PERCENTAGE = 100

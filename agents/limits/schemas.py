"""Shapes of the limits API."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field

from agents.limits.numbers import Numbers, Spending


class LimitsIn(Numbers):
    """What replaces the platform's limits of a scope, and why; what is left out is left to the wider scope."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "daily_tokens": 2_000_000,
                "runs_per_minute": 120,
                "reason": "Agreed in the contract.",
            }
        },
    )

    reason: str = Field(default="", max_length=1000)

    def numbers(self) -> Numbers:
        """Return the limits without their reason."""
        return Numbers.model_validate(self.model_dump(exclude={"reason"}))


class OwnLimitsIn(Spending):
    """What replaces a tenant's own limits, and why; what is left out is left to the platform."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"daily_tokens": 500_000, "reason": "We are testing."}}
    )

    reason: str = Field(default="", max_length=1000)

    def numbers(self) -> Spending:
        """Return the limits without their reason."""
        return Spending.model_validate(self.model_dump(exclude={"reason"}))


class Limit(Schema):
    """A number: what holds (null: no limit) and where it comes from, and what this scope itself has set."""

    value: float | int | None
    source: str = Field(description="default, platform, agent, tenant, own; none where nothing is limited.")
    set: float | int | None


class OwnLimit(Schema):
    """A number: what holds (null: no limit) and where it comes from, what you have set, and what you are given."""

    value: float | int | None
    source: str = Field(description="default, platform, agent, tenant, own; none where nothing is limited.")
    own: float | int | None
    given: float | int | None


class LimitsOut(Schema):
    """The platform's limits of a scope, by the names that a PUT takes."""

    agent_id: str | None
    limits: dict[str, Limit]
    revision: int
    updated_at: str | None


class OwnLimitsOut(Schema):
    """A tenant's limits, by the names that a PUT takes."""

    agent_id: str | None
    limits: dict[str, OwnLimit]
    revision: int
    updated_at: str | None


def answered(response: Any, found: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """Return what is shown, after putting its entity tag on the response."""
    response["ETag"] = found[1]
    return found[0]

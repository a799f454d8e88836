"""Shapes of the health routes."""

from __future__ import annotations

from typing import Any

from ninja import Field, Schema
from pydantic import ConfigDict


class CircuitOut(Schema):
    """One circuit that a run meets."""

    scope: str = Field(description="agent, tenant (failures count for you alone) or model")
    provider: str
    model: str
    state: str = Field(examples=["closed"])
    retry_after: int | None = Field(description="Seconds until it is tried again.")
    since: str | None
    reason: str
    failures: int


class BreakerOut(Schema):
    """An agent's breaker as your runs meet it."""

    agent_id: str
    state: str = Field(examples=["closed", "open", "half_open"])
    retry_after: int | None = None
    reason: str = ""
    circuits: list[CircuitOut]


class ResetIn(Schema):
    """Why circuits are closed by hand, and for which tenant alone (its slug)."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=1000, examples=["The provider is back."])
    tenant: str | None = Field(default=None, max_length=63)


class ResetOut(Schema):
    """What was closed."""

    agent_id: str
    state: str
    closed: list[dict[str, Any]]


class BudgetOut(Schema):
    """One budget: what is used or reserved, and the limit (none: not limited)."""

    used: float
    limit: float | None


class BudgetsOut(Schema):
    """Tokens, and money in US dollars."""

    daily_tokens: BudgetOut
    monthly_tokens: BudgetOut
    daily_cost: BudgetOut
    monthly_cost: BudgetOut


class SpendingOut(Schema):
    """What your organisation and its agents used today and this month."""

    tenant: BudgetsOut
    agents: dict[str, BudgetsOut]

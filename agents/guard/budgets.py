"""Budgets as people see them: what is used of them right now, runs under way included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from qualisys import redis as qredis


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and millionths of a dollar, used or reserved by runs under way, of a day and its month."""

    day_tokens: int
    month_tokens: int
    day_cost: int
    month_cost: int


async def spent(tenant_id: UUID, agents: Sequence[str]) -> dict[str, Spent]:
    """Return what each agent used for a tenant, and under '' what the tenant used as a whole."""
    day = datetime.now(UTC).date().isoformat()
    whose = ["", *agents]
    keys = [
        f"{kind}:{tenant_id}:{each + ':' if each else ''}{period}"
        for each in whose
        for kind in ("token_budget", "cost_budget")
        for period in (day, day[:7])
    ]
    values = [int(value or 0) for value in await qredis.client().call("MGET", *keys)]
    return {each: Spent(*values[4 * number : 4 * number + 4]) for number, each in enumerate(whose)}

"""What a tenant meets when it runs its agents: breakers, and what is left of its budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.guard import budgets, circuits
from agents.guard.budgets import Spent
from agents.limits import registry as limits
from agents.limits.settle import settle, settle_tenant
from agents.registry import Agent
from governance.runs.bounds import plan_for
from qualisys import tenancy
from qualisys.problems import Problem
from tenants import effective

NOTHING = Spent(0, 0, 0, 0)


async def breaker(tenant: tenancy.Tenant, agent: Agent) -> dict[str, Any]:
    """Return an agent's breaker as the tenant's runs meet it: the state of the best model that may answer."""
    shown: dict[str, Any] = {"agent_id": agent.agent_id, "tenant_id": str(tenant.id)}
    try:
        plan = await plan_for(tenant, await effective.resolve(tenant, agent))
    except Problem as problem:
        if problem.code != "model_stopped":
            raise
        return {**shown, "state": "open", "retry_after": None, "reason": problem.detail, "circuits": []}
    state, readings = await circuits.met_by(plan)
    waiting = [each for each in readings if each.state == state and state != "closed"]
    return {
        **shown,
        "state": state,
        "retry_after": round(min(each.seconds for each in waiting)) if waiting else None,
        "reason": waiting[0].reason if waiting else "",
        "circuits": [circuits.show(each) for each in readings],
    }


async def spending(tenant: tenancy.Tenant, agents: list[Agent]) -> dict[str, Any]:
    """Return limits and use of a tenant and of each of its agents."""
    rows = await limits.of(tenant.id)
    used = await budgets.spent(tenant.id, [agent.agent_id for agent in agents])
    whole, _ = settle_tenant(rows)
    return {
        "tenant": _shown(used[""], whole),
        "agents": {
            agent.agent_id: _shown(
                used.get(agent.agent_id, NOTHING),
                settle(rows, agent.agent_id, agent.max_tokens_per_invocation).agent,
            )
            for agent in agents
        },
    }


def _shown(spent: Spent, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return each budget with what is used of it; a limit of None is none."""

    def money(name: str) -> float | None:
        return float(given[name]) if name in given else None

    return {
        "daily_tokens": {"used": spent.day_tokens, "limit": given.get("daily_tokens")},
        "monthly_tokens": {"used": spent.month_tokens, "limit": given.get("monthly_tokens")},
        "daily_cost": {"used": spent.day_cost / 1_000_000, "limit": money("daily_cost")},
        "monthly_cost": {"used": spent.month_cost / 1_000_000, "limit": money("monthly_cost")},
    }

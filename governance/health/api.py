"""Breakers and budgets over HTTP."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from agents import registry
from agents import selectors as agent_selectors
from agents.guard import circuits
from governance.health import selectors
from governance.health.schemas import BreakerOut, ResetIn, ResetOut, SpendingOut
from qualisys import tenancy
from qualisys.access import Requires
from qualisys.problems import Problem
from qualisys.schemas import REFUSALS
from tenants import directory, effective
from tenants.identity import identity_of

agents = Router(tags=["agents"])
spending = Router(tags=["usage"])
administration = Router(tags=["administration"])

#: The body of a reset may be left out.
NOTHING_SAID = ResetIn()


@agents.get(
    "/{agent_id}/circuit-breaker",
    response={200: BreakerOut, **REFUSALS},
    auth=Requires("agents.view_executionlog", where="tenant"),
)
async def get_breaker(request: HttpRequest, agent_id: str) -> dict[str, Any]:
    """Show an agent's breaker as your organisation's runs meet it."""
    agent = await effective.visible(identity_of(request), agent_id)
    return await selectors.breaker(tenancy.tenant(), agent)


@spending.get(
    "", response={200: SpendingOut, **REFUSALS}, auth=Requires("agents.view_executionlog", where="tenant")
)
async def get_spending(request: HttpRequest) -> dict[str, Any]:
    """Show your budgets and what is used of them right now, runs under way included."""
    identity = identity_of(request)
    seen = [
        agent for agent in await registry.enabled() if identity.has_perm("agents.view_agentdefinition", agent)
    ]
    return await selectors.spending(tenancy.tenant(), seen)


@administration.post(
    "/{agent_id}/circuit-breaker/reset",
    response={200: ResetOut, **REFUSALS},
    auth=Requires(circuits.RESET, where="platform"),
)
async def reset_breaker(request: HttpRequest, agent_id: str, body: ResetIn = NOTHING_SAID) -> dict[str, Any]:
    """Close every circuit that refuses an agent; of one tenant alone where you name it."""
    tenant = await directory.by_id(body.tenant) if body.tenant else None
    if body.tenant and tenant is None:
        raise Problem("not_found", f"There is no tenant '{body.tenant}'.")
    if await registry.find(agent_id) is None:
        raise agent_selectors.agent_not_found(agent_id)
    closed = await circuits.reset(
        actor=identity_of(request),
        agent_id=agent_id,
        tenant_id=tenant.id if tenant else None,
        reason=body.reason,
    )
    return {
        "agent_id": agent_id,
        "state": "closed",
        "closed": [
            {
                "agent_id": each.agent_id,
                "tenant_id": str(each.tenant_id) if each.tenant_id else None,
                "provider": each.provider,
                "model": each.model,
            }
            for each in closed
        ],
    }

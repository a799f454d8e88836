"""Reads of limits: what a scope has set, and what holds there and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from agents.limits import registry
from agents.limits.models import Limits
from agents.limits.numbers import CONDUCT, NOTHING, SPENDING
from agents.limits.services import Scope, entity_tag, find
from agents.limits.settle import (
    Rows,
    Source,
    settle,
    settle_conduct,
    settle_percentage,
    settle_tenant,
    without_own,
)
from agents.models import AgentDefinition
from agents.selectors import get_agent, list_agents

#: Values and where each came from; a name that is missing is not limited.
Holds = tuple[Mapping[str, Any], Mapping[str, Source]]


def show_limits(scope: Scope) -> tuple[dict[str, Any], str]:
    """Return what the platform has set for a scope and what holds in it, and the entity tag."""
    row = find(scope)
    rows = registry.load(scope.tenant_id)
    values, sources = _spent(rows, get_agent(scope.agent_id) if scope.agent_id is not None else None)
    conduct, conduct_sources = settle_conduct(rows, scope.agent_id)
    values, sources = {**values, **conduct}, {**sources, **conduct_sources}
    names = [*SPENDING, *CONDUCT]
    if scope == Scope():
        values["guard_percentage"], sources["guard_percentage"] = settle_percentage(rows)
        names.append("guard_percentage")
    shown = {
        name: {
            "value": plain(values.get(name)),
            "source": sources.get(name, "none"),
            "set": plain(_set(row, name)),
        }
        for name in names
    }
    return _shown(row, scope.agent_id, shown), entity_tag(row)


def show_own_limits(tenant_id: UUID, agent_id: str | None) -> tuple[dict[str, Any], str]:
    """Return what a tenant may use, what the platform gives it and what it has set itself; and the entity tag."""
    row = find(Scope(agent_id, tenant_id, by_tenant=True))
    agent = get_agent(agent_id) if agent_id is not None else None
    return _shown(row, agent_id, _own(registry.load(tenant_id), agent)), entity_tag(row)


def list_own_limits(tenant_id: UUID) -> list[tuple[AgentDefinition, dict[str, Any]]]:
    """Return every agent that the platform offers with a tenant's limits of it, as `show_own_limits` has them."""
    rows = registry.load(tenant_id)
    return [(agent, _own(rows, agent)) for agent in list_agents().filter(enabled=True)]


def otherwise(scope: Scope) -> Holds:
    """Return what holds in a scope where the platform sets nothing for it itself: the wider scopes' numbers."""
    rows = without_own(registry.load(scope.tenant_id))
    if scope.agent_id is None:
        rows = replace(rows, tenant=NOTHING) if scope.tenant_id else replace(rows, platform=NOTHING)
    elif scope.tenant_id is None:
        rows = replace(rows, agents={})
    else:
        rows = replace(rows, tenant_agents={})
    values, sources = _spent(rows, get_agent(scope.agent_id) if scope.agent_id is not None else None)
    conduct, conduct_sources = settle_conduct(rows, scope.agent_id)
    return {**values, **conduct}, {**sources, **conduct_sources}


def plain(value: Any) -> Any:
    """Return a number as JSON has it; money of four decimals below ten millions is exact there, too."""
    return float(value) if isinstance(value, Decimal) else value


def _own(rows: Rows, agent: AgentDefinition | None) -> dict[str, Any]:
    own = rows.own if agent is None else rows.own_agents.get(agent.agent_id, NOTHING)
    values, sources = _spent(rows, agent)
    given, _ = _spent(without_own(rows), agent)
    return {
        name: {
            "value": plain(values.get(name)),
            "source": sources.get(name, "none"),
            "own": plain(getattr(own, name)),
            "given": plain(given.get(name)),
        }
        for name in SPENDING
    }


def _spent(rows: Rows, agent: AgentDefinition | None) -> tuple[dict[str, Any], dict[str, Source]]:
    if agent is None:
        return settle_tenant(rows)
    found = settle(rows, agent.agent_id, agent.max_tokens_per_invocation)
    return dict(found.agent), dict(found.agent_sources)


def _set(row: Limits | None, name: str) -> Any:
    return getattr(row, name) if row else None


def _shown(row: Limits | None, agent_id: str | None, limits: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "agent_id": agent_id,
        "limits": limits,
        "revision": row.revision if row else 0,
        "updated_at": row.updated_at.isoformat() if row else None,
    }

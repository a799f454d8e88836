"""Limits as the run path reads them: a tenant's rows at once, from memory, then the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q

from agents.limits.models import Limits
from agents.limits.numbers import Numbers
from agents.limits.settle import Rows
from qualisys import cache, tenancy
from qualisys.cache import Cached


def numbers_of(row: Limits) -> Numbers:
    """Return a row's numbers."""
    return Numbers.model_construct(**{name: getattr(row, name) for name in Numbers.model_fields})


def load(tenant_id: UUID | None) -> Rows:
    """Return the rows that matter to a tenant, or (None) to every one, from the database."""
    with tenancy.use(tenancy.platform("read limits")):
        return arranged(Limits.objects.filter(Q(tenant_id=tenant_id) | Q(tenant_id=None)))


def arranged(rows: Iterable[Limits]) -> Rows:
    """Return rows of one tenant and the platform by what they speak of."""
    single: dict[str, Numbers] = {}
    by_agent: dict[str, dict[str, Numbers]] = {"agents": {}, "tenant_agents": {}, "own_agents": {}}
    for row in rows:
        whose = "own" if row.by_tenant else "tenant" if row.tenant_id else "platform"
        if row.agent_id is None:
            single[whose] = numbers_of(row)
        else:
            name = "agents" if whose == "platform" else f"{whose}_agents"
            by_agent[name][row.agent_id] = numbers_of(row)
    whole: dict[str, Any] = {**single, **by_agent}
    return Rows(**whole)


_limits: Cached[UUID, Rows] = Cached(load, topics=lambda tenant_id: (cache.PLATFORM, str(tenant_id)))


async def of(tenant_id: UUID) -> Rows:
    """Return the rows that matter to a tenant."""
    return await _limits.get(tenant_id)

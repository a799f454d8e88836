"""Reads of the console's health page, over all tenants: circuits, resets, budgets and the guard's roll-out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import connections
from django.db.models import Q

from agents import registry
from agents.guard import circuits
from agents.guard.circuits import Reading
from agents.limits.models import Limits
from agents.limits.numbers import GUARD_PERCENTAGE
from agents.models import GuardEvent
from governance.health import selectors
from governance.health.budget import MARKS, Budget, budgets
from governance.health.refusals import word
from governance.runs.bounds import is_in_shadow
from qualisys import tenancy
from qualisys.redis import RedisUnavailable

#: Days over which resets are set against openings, and in which refusals in shadow are counted.
DAYS, SHADOW_DAYS = 30, 7
#: Changes that the history lists, and tenants whose budgets are looked up.
LISTED, TENANTS = 40, 100

# A reset that found its circuit closed already has mended nothing.
_RESETS = """
SELECT count(*) FILTER (WHERE kind = 'circuit.opened'),
       count(*) FILTER (WHERE kind = 'circuit.reset' AND before IN ('circuit.opened', 'circuit.half_open'))
FROM (SELECT kind, lag(kind) OVER (PARTITION BY agent_id, tenant_id, provider, model ORDER BY at, id) AS before
      FROM agent_guard_events WHERE kind LIKE 'circuit.%%' AND at >= %s) AS changes
"""
_REFUSED = """
SELECT error_code, count(*), count(DISTINCT tenant_id) FROM agent_execution_log
WHERE created_at >= %s AND status IN ('refused', 'circuit_open') GROUP BY 1 ORDER BY 2 DESC
"""
_SHADOW = """
SELECT shadow_code, count(*), count(DISTINCT tenant_id) FROM agent_execution_log
WHERE created_at >= %s AND shadow_code <> '' GROUP BY 1 ORDER BY 2 DESC
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusals with one code, real ones or those of a guard in shadow, and of how many tenants."""

    code: str
    count: int
    tenants: int

    @property
    def words(self) -> str:
        """The code as people read it."""
        return word(self.code)


@dataclass(frozen=True, slots=True)
class Resets:
    """How often circuits opened, and how many of those openings a person ended."""

    openings: int
    resets: int

    @property
    def per_opening(self) -> float:
        """Openings that were ended by hand, as a share (0 to 1)."""
        return self.resets / self.openings if self.openings else 0.0


@dataclass(frozen=True, slots=True)
class Tight:
    """A budget that is nearly used up: of a tenant as a whole where there is no agent."""

    tenant: str
    agent_id: str
    budget: Budget


def not_closed() -> list[Reading] | None:
    """Return circuits that are open or half-open, open ones first, or None where Redis does not answer."""
    try:
        found = async_to_sync(circuits.not_closed)()
    except RedisUnavailable:
        return None
    return sorted(found, key=lambda reading: (reading.state != "open", reading.circuit.name))


def history() -> list[GuardEvent]:
    """Return the latest changes of circuits, newest first."""
    return list(GuardEvent.objects.filter(kind__startswith="circuit.")[:LISTED])


def resets(now: datetime) -> Resets:
    """Return openings of the last 30 days, and how many a person ended."""
    return Resets(*_rows(_RESETS, [now - timedelta(days=DAYS)])[0])


def refused(now: datetime) -> list[Refused]:
    """Return the refusals of the last 24 hours by code."""
    return [Refused(*row) for row in _rows(_REFUSED, [now - timedelta(hours=24)])]


def shadow(now: datetime) -> list[Refused]:
    """Return what a guard in shadow would have refused in the last 7 days, by code."""
    return [Refused(*row) for row in _rows(_SHADOW, [now - timedelta(days=SHADOW_DAYS)])]


def guard_percentage() -> int:
    """Return for how many of a hundred tenants the guard refuses."""
    row = Limits.objects.filter(agent=None, tenant_id=None).first()
    return GUARD_PERCENTAGE if row is None or row.guard_percentage is None else row.guard_percentage


def in_shadow(tenants: Sequence[tenancy.Tenant], percentage: int) -> list[tenancy.Tenant]:
    """Return the tenants that the guard only watches."""
    return [tenant for tenant in tenants if is_in_shadow(tenant.id, percentage)]


def tight(tenants: Mapping[UUID, tenancy.Tenant], now: datetime) -> list[Tight] | None:
    """Return the budgets of which more than 80 % is used right now, the fullest first; None without Redis.

    The guard's own events say where to look: nobody reads the counters of every agent of every tenant.
    """
    midnight = datetime.combine(now.date(), time(), UTC)
    rows = GuardEvent.objects.filter(
        Q(detail__period="day", at__gte=midnight)
        | Q(detail__period="month", at__gte=midnight.replace(day=1)),
        kind__in=(GuardEvent.Kind.BUDGET_80, GuardEvent.Kind.BUDGET_90, GuardEvent.Kind.BUDGET_SPENT),
        tenant_id__in=tenants,
    )
    suspects: dict[UUID, set[str]] = defaultdict(set)
    for tenant_id, agent_id, scope in rows.values_list("tenant_id", "agent_id", "detail__scope"):
        if tenant_id and (tenant_id in suspects or len(suspects) < TENANTS):
            suspects[tenant_id].add(agent_id if scope == "agent" else "")
    try:
        found = async_to_sync(_fullest)({tenants[pk]: agents for pk, agents in suspects.items()})
    except RedisUnavailable:
        return None
    return sorted(found, key=lambda each: -each.budget.percent)


async def _fullest(suspects: Mapping[tenancy.Tenant, set[str]]) -> list[Tight]:
    found = []
    for tenant, agent_ids in suspects.items():
        known = [agent for agent in [await registry.find(each) for each in agent_ids if each] if agent]
        shown = await selectors.spending(tenant, known)
        for agent_id, its in {"": shown["tenant"], **shown["agents"]}.items():
            near = [budget for budget in budgets(its) if budget.percent >= MARKS[0]]
            found += [Tight(tenant.name, agent_id, budget) for budget in near]
    return found


def _rows(query: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())

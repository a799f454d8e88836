"""The last 24 hours of a tenant's agents: runs and failures by the hour, refusals, and what became of circuits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models import Q

from agents.models import GuardEvent
from governance.health.refusals import word
from qualisys import tenancy

HOURS: Final = 24
#: Days of which changes of circuits are listed, and the most that are read for all agents.
DAYS, MOST = 7, 2_000
#: How long figures are kept, in times of what they took; and of how many tenants at most.
KEPT, TENANTS = 20, 1_000
#: Budgets that passed a mark, on the page.
LISTED: Final = 10

_BY_HOUR = """
SELECT agent_id, date_trunc('hour', created_at, 'UTC'), count(*), count(*) FILTER (WHERE status = 'error'),
       count(*) FILTER (WHERE status = 'timeout')
FROM agent_execution_log
WHERE tenant_id = %s AND created_at >= %s AND status NOT IN ('refused', 'circuit_open')
GROUP BY 1, 2
"""
_REFUSED = """
SELECT agent_id, error_code, count(*), max(created_at) FROM agent_execution_log
WHERE tenant_id = %s AND created_at >= %s AND status IN ('refused', 'circuit_open')
GROUP BY 1, 2 ORDER BY 3 DESC, 2
"""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour (UTC): runs that began, and how many of them failed or hit their deadline."""

    at: datetime
    runs: int = 0
    errors: int = 0
    timeouts: int = 0


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refusals with one code: how many, and when the last one was."""

    code: str
    count: int
    last: datetime

    @property
    def words(self) -> str:
        """The code as people read it."""
        return word(self.code)


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit changed its state: `provider` and `model` say which, `is_model` that it is of every agent."""

    at: datetime
    kind: str
    provider: str
    model: str
    is_model: bool
    is_own: bool
    reason: str

    @property
    def words(self) -> str:
        """What happened, for people."""
        told = {
            GuardEvent.Kind.OPENED: "Paused: too many failures",
            GuardEvent.Kind.PROBING: "Tried again with one run",
            GuardEvent.Kind.CLOSED: "Works again",
            GuardEvent.Kind.RESET: "Reset by the platform's administrators",
        }
        return told[GuardEvent.Kind(self.kind)]

    @property
    def why(self) -> str:
        """The last failure before a circuit opened; of a reset nothing, its reason is the platform's own."""
        return word(self.reason) if self.kind == GuardEvent.Kind.OPENED and self.reason else ""


def first_hour(now: datetime) -> datetime:
    """Return the start of the first of the 24 hours by the clock that end with this one."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)


def hours(tenant_id: UUID, now: datetime) -> dict[str, list[Hour]]:
    """Return the hours of every agent that ran, oldest first, the empty ones left out."""
    found: dict[str, list[Hour]] = defaultdict(list)
    for agent_id, *rest in _rows(_BY_HOUR, [tenant_id, first_hour(now)]):
        found[agent_id].append(Hour(*rest))
    return {agent_id: sorted(each, key=lambda hour: hour.at) for agent_id, each in found.items()}


def refused(tenant_id: UUID, now: datetime) -> dict[str, list[Refusals]]:
    """Return the refusals of the last 24 hours by agent, the most frequent first."""
    found: dict[str, list[Refusals]] = defaultdict(list)
    for agent_id, *rest in _rows(_REFUSED, [tenant_id, now - timedelta(hours=HOURS)]):
        found[agent_id].append(Refusals(*rest))
    return found


Counted = tuple[Mapping[str, Sequence[Hour]], Mapping[str, Sequence[Refusals]]]
_counted: dict[UUID, tuple[float, Counted]] = {}


def counted(tenant_id: UUID, now: datetime) -> Counted:
    """Return hours and refusals of every agent.

    They are kept KEPT times as long as counting took: those who look at a busy tenant's page, which asks every few
    seconds, cost a small share of one core, and a page of few runs is never behind.
    """
    until, known = _counted.get(tenant_id, (0.0, ({}, {})))
    began = monotonic()
    if began < until:
        return known
    found = (hours(tenant_id, now), refused(tenant_id, now))
    if len(_counted) >= TENANTS:
        _counted.clear()
    _counted[tenant_id] = (monotonic() + KEPT * (monotonic() - began), found)
    return found


def _rows(query: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Passed:
    """A budget passed a mark: of an agent, or of the whole organisation where that is empty."""

    at: datetime
    agent_id: str
    mark: str
    period: str
    unit: str

    @property
    def words(self) -> str:
        """What happened, for people."""
        of = f"{'money' if self.unit == 'dollars' else 'tokens'} of the {self.period}"
        return (
            f"All {of} used: runs are refused"
            if self.mark == "exhausted"
            else f"{self.mark} % of the {of} used"
        )


def passed(tenant_id: UUID, now: datetime) -> list[Passed]:
    """Return which of a tenant's budgets passed a mark, newest first."""
    rows = GuardEvent.objects.filter(
        tenant_id=tenant_id,
        kind__in=(GuardEvent.Kind.BUDGET_80, GuardEvent.Kind.BUDGET_90, GuardEvent.Kind.BUDGET_SPENT),
        at__gte=now - timedelta(days=DAYS),
    )[:LISTED]
    return [
        Passed(
            at=row.at,
            agent_id=row.agent_id if row.detail.get("scope") == "agent" else "",
            mark=row.kind.removeprefix("budget."),
            period=str(row.detail.get("period", "")),
            unit=str(row.detail.get("unit", "")),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of circuits, newest first: of agents by their id, and of models that agents share."""

    agents: Mapping[str, Sequence[Change]]
    models: Mapping[tuple[str, str], Sequence[Change]]

    def met_by(self, agent_id: str, models: Iterable[tuple[str, str]]) -> list[Change]:
        """Return those that runs of an agent met which may be answered by these models."""
        shared = [change for model in models for change in self.models.get(model, ())]
        return sorted([*self.agents.get(agent_id, ()), *shared], key=lambda change: change.at, reverse=True)


def changes(tenant_id: UUID, now: datetime) -> Changes:
    """Return what became of the circuits that a tenant's runs may meet: its own, the agents' and the models'."""
    with tenancy.use(tenancy.platform("show a tenant the circuits it meets")):
        rows = list(
            GuardEvent.objects.filter(
                Q(tenant_id=tenant_id) | Q(tenant_id=None),
                kind__startswith="circuit.",
                at__gte=now - timedelta(days=DAYS),
            )[:MOST]
        )
    agents: dict[str, list[Change]] = defaultdict(list)
    models: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for row in rows:
        change = Change(
            at=row.at,
            kind=row.kind,
            provider=row.provider,
            model=row.model,
            is_model=not row.agent_id,
            is_own=row.tenant_id is not None,
            reason=str(row.detail.get("reason", "")),
        )
        if row.agent_id:
            agents[row.agent_id].append(change)
        else:
            models[row.provider, row.model].append(change)
    return Changes(agents, models)

"""Reads of the platform's console: figures over all tenants, never what anybody asked or was answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import orjson
from django.db import connections
from redis import RedisError

from agents.guard.admission import SPOOL, lease_key, live_key
from agents.partitions import TABLE, month_after
from governance.runs.spool import DEAD
from qualisys import redis as qredis

#: Runs under way that a page shows; their number is counted in full.
MOST_LIVE = 100

_FIGURES = """
SELECT created_at >= %(since)s AS recent, count(*), count(*) FILTER (WHERE status = 'error'),
       count(*) FILTER (WHERE status = 'timeout'), coalesce(sum(tokens_used), 0),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time_ms)
FROM agent_execution_log WHERE created_at >= %(before)s AND status NOT IN ('refused', 'circuit_open') GROUP BY 1
"""
_BY_HOUR = """
SELECT date_trunc('hour', created_at, 'UTC') AS hour, count(*), count(*) FILTER (WHERE status IN ('error', 'timeout'))
FROM agent_execution_log WHERE created_at >= %s AND status NOT IN ('refused', 'circuit_open') GROUP BY 1
"""
_BY_AGENT = """
SELECT agent_id, count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE status = 'timeout'),
       coalesce(sum(tokens_used), 0), percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time_ms)
FROM agent_execution_log WHERE created_at >= %s AND status NOT IN ('refused', 'circuit_open') GROUP BY 1
"""
_BY_TENANT = """
SELECT tenant_id, count(*), count(*) FILTER (WHERE status IN ('error', 'timeout')), coalesce(sum(tokens_used), 0)
FROM agent_execution_log WHERE created_at >= %s AND status NOT IN ('refused', 'circuit_open') GROUP BY 1
"""
_PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Executions of a stretch of time; rates are shares (0 to 1), durations milliseconds."""

    runs: int = 0
    errors: int = 0
    timeouts: int = 0
    tokens: int = 0
    p95_ms: float | None = None

    @property
    def error_rate(self) -> float:
        """Share of the runs that failed."""
        return self.errors / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run under way, without what was asked."""

    run_id: str
    agent_id: str
    tenant_id: UUID
    version: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Live:
    """Runs under way: how many in each tenant, and the newest of them."""

    by_tenant: dict[UUID, int]
    runs: list[LiveRun]

    @property
    def total(self) -> int:
        """How many runs are under way."""
        return sum(self.by_tenant.values())


def _rows(query: str, params: Any) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(query, params)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())


def figures(now: datetime) -> tuple[Figures, Figures]:
    """Return the last 24 hours, and the 24 hours before them."""
    params = {"since": now - timedelta(hours=24), "before": now - timedelta(hours=48)}
    found = {recent: Figures(*rest) for recent, *rest in _rows(_FIGURES, params)}
    return found.get(True, Figures()), found.get(False, Figures())


def by_hour(now: datetime) -> list[tuple[datetime, int, int]]:
    """Return start, runs and failed runs of the last 24 hours by the clock, oldest first."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=23)
    found = {hour: (runs, failed) for hour, runs, failed in _rows(_BY_HOUR, [first])}
    hours = [first + timedelta(hours=offset) for offset in range(24)]
    return [(hour, *found.get(hour, (0, 0))) for hour in hours]


def by_agent(now: datetime) -> dict[str, Figures]:
    """Return the last 24 hours of every agent that ran."""
    return {agent_id: Figures(*rest) for agent_id, *rest in _rows(_BY_AGENT, [now - timedelta(hours=24)])}


def by_tenant(now: datetime) -> dict[UUID, tuple[int, int, int]]:
    """Return runs, failed runs and tokens of the last 24 hours of every tenant that ran something."""
    rows = _rows(_BY_TENANT, [now - timedelta(hours=24)])
    return {tenant_id: (runs, failed, tokens) for tenant_id, runs, failed, tokens in rows}


def live(tenant_ids: Sequence[UUID]) -> Live | None:
    """Return what runs right now, or None where Redis does not answer."""
    try:
        client = qredis.sync_client()
        pipe = client.pipeline(transaction=False)
        for tenant_id in tenant_ids:
            pipe.zcard(live_key(tenant_id))
        counts = {
            tenant_id: count for tenant_id, count in zip(tenant_ids, pipe.execute(), strict=True) if count
        }
        for tenant_id in counts:
            pipe.zrevrange(live_key(tenant_id), 0, MOST_LIVE - 1)
        names = [run.decode() for found in pipe.execute() for run in found] if counts else []
        for run_id in names:
            pipe.hget(lease_key(run_id), "payload")
        payloads = pipe.execute() if names else []
    except RedisError:
        return None
    runs = [_without_input(run_id, raw) for run_id, raw in zip(names, payloads, strict=True) if raw]
    runs.sort(key=lambda run: run.created_at, reverse=True)
    return Live(counts, runs[:MOST_LIVE])


def _without_input(run_id: str, payload: bytes) -> LiveRun:
    told = orjson.loads(payload)
    began = datetime.fromisoformat(told["created_at"])
    return LiveRun(run_id, told["agent_id"], UUID(told["tenant_id"]), told["version"], began)


def backlog() -> tuple[int, int] | None:
    """Return how many ended runs wait to be stored, and how many could not be; None where Redis does not answer."""
    try:
        client = qredis.sync_client()
        return int(client.xlen(SPOOL)), int(client.xlen(DEAD))
    except RedisError:
        return None


def partitions_until(today: date) -> date | None:
    """Return the day before which every month of the log has its partition; None where this month has none."""
    rows = _rows(_PARTITIONS, [f"public.{TABLE}"])
    months = {
        date(int(found[1]), int(found[2]), 1)
        for (name,) in rows
        if (found := re.fullmatch(rf"{TABLE}_(\d{{4}})_(\d{{2}})", name))
    }
    month = today.replace(day=1)
    while month in months:
        month = month_after(month)
    return month if month > today else None

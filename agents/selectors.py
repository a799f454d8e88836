"""Reads of the registry and the log, for consoles and APIs off the run path."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone

from agents.models import AgentDefinition, ModelOffer
from qualisys.problems import Problem


def list_agents() -> QuerySet[AgentDefinition]:
    """Return every agent, enabled or not, by name."""
    return AgentDefinition.objects.order_by("name")


def get_agent(agent_id: str, *, lock: bool = False) -> AgentDefinition:
    """Return the agent, locked until the transaction ends where asked; raise `agent_not_found`."""
    agents = AgentDefinition.objects.select_for_update() if lock else AgentDefinition.objects
    row = agents.filter(agent_id=agent_id).first()
    if row is None:
        raise agent_not_found(agent_id)
    return row


def agent_not_found(agent_id: str) -> Problem:
    """Return the one answer for missing, disabled and invisible agents alike."""
    return Problem("agent_not_found", f"There is no agent '{agent_id[:100]}' that you can use.")


def offered_models(provider: str) -> list[str]:
    """Return the models of a provider that tenants may choose; none means any."""
    rows = ModelOffer.objects.filter(provider=provider, enabled=True)
    return list(rows.values_list("model", flat=True))


_METRICS = """
SELECT version, count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE status = 'timeout'),
       coalesce(sum(tokens_used), 0),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY execution_time_ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY execution_time_ms)
FROM agent_execution_log
WHERE agent_id = %s AND tenant_id = %s AND created_at >= %s AND status NOT IN ('refused', 'circuit_open')
GROUP BY version ORDER BY version
"""


def metrics_by_version(agent_id: str, tenant_id: UUID, since: datetime | None = None) -> list[dict[str, Any]]:
    """Return the last 24 hours of one tenant's executions of an agent, a row per version; refused ones never ran.

    Rates are shares of the runs (0 to 1), durations milliseconds.
    """
    since = since or timezone.now() - timedelta(hours=24)
    with connections["default"].cursor() as cursor:
        cursor.execute(_METRICS, [agent_id, tenant_id, since])
        rows = cursor.fetchall()
    return [
        {
            "version": version,
            "runs": runs,
            "error_rate": round(errors / runs, 4),
            "timeouts": timeouts,
            "tokens": tokens,
            "p50_ms": round(p50 or 0),
            "p95_ms": round(p95 or 0),
        }
        for version, runs, errors, timeouts, tokens, p50, p95 in rows
    ]


_USAGE = """
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, agent_id,
       count(*) FILTER (WHERE status NOT IN ('refused', 'circuit_open')),
       count(*) FILTER (WHERE status IN ('error', 'timeout')), count(*) FILTER (WHERE usage_estimated),
       sum(input_tokens), sum(output_tokens), count(*) FILTER (WHERE status IN ('refused', 'circuit_open')),
       sum(cost_micros)::bigint
FROM agent_execution_log
WHERE tenant_id = %s AND created_at >= %s AND created_at < %s
GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class DayOfAgent:
    """What one agent used on one day (UTC): runs, failed ones, ones whose tokens are estimated, tokens and cost.

    `refused` never began and are none of the runs; cost is in millionths of a US dollar.
    """

    day: date
    agent_id: str
    runs: int
    failed: int
    estimated: int
    input_tokens: int
    output_tokens: int
    refused: int = 0
    cost_micros: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out together."""
        return self.input_tokens + self.output_tokens


def usage_by_day(tenant_id: UUID, first: date, last: date) -> list[DayOfAgent]:
    """Return one tenant's executions by day (UTC) and agent, from `first` to `last`, both included."""
    begin = datetime.combine(first, time(), UTC)
    with connections["default"].cursor() as cursor:
        cursor.execute(_USAGE, [tenant_id, begin, datetime.combine(last, time(), UTC) + timedelta(days=1)])
        return [DayOfAgent(*row) for row in cursor.fetchall()]

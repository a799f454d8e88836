"""The ledger: what was used, by tenant, agent and day. The guard's counters are seeded from it.

It is written in the statement that writes the execution log, from the rows that were really added, so a run counts
once however often its entry is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import connections

from qualisys import tenancy


@dataclass(frozen=True, slots=True)
class Used:
    """What one agent used for a tenant: on the day asked for, and in that day's month. Money in millionths of $."""

    agent_id: str
    day_tokens: int
    day_cost: int
    month_tokens: int
    month_cost: int


# One statement, so that sums and runs are of one snapshot.
_USED = """
SELECT agent_id,
       coalesce(sum(input_tokens + output_tokens) FILTER (WHERE day = %(day)s), 0)::bigint,
       coalesce(sum(cost_micros) FILTER (WHERE day = %(day)s), 0)::bigint,
       sum(input_tokens + output_tokens)::bigint, sum(cost_micros)::bigint, NULL::text[]
FROM agent_usage_days
WHERE tenant_id = %(tenant)s AND day BETWEEN date_trunc('month', %(day)s::date)::date AND %(day)s
GROUP BY agent_id
UNION ALL
SELECT '', 0, 0, 0, 0, array(
  SELECT id::text FROM agent_execution_log WHERE id = ANY(%(runs)s::uuid[]) AND tenant_id = %(tenant)s)
"""


def used(tenant_id: UUID, day: date, runs: Sequence[str]) -> tuple[list[Used], set[str]]:
    """Return what a tenant used, by agent, and which of `runs` are part of it."""
    with tenancy.use(tenancy.platform("seed the guard")), connections["default"].cursor() as cursor:
        cursor.execute(_USED, {"tenant": tenant_id, "day": day, "runs": list(runs)})
        *rows, last = sorted(cursor.fetchall(), key=lambda row: row[5] is not None)
    return [Used(*row[:5]) for row in rows], set(last[5])

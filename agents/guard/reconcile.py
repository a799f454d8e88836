"""Counters against the ledger: what Redis says was used, and what PostgreSQL knows.

Under load the two are read at different moments, so a difference counts only where it is there every time. A tenant
whose counters drifted is seeded again at its next run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from agents import ledger
from agents.guard import scripts, seeding
from agents.guard.models import GuardEvent
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.database.threads import in_thread

#: How often the two are compared, and the seconds between.
LOOKS, PAUSE = 3, 1.0


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter of a tenant ('' or an agent; a day or a month) and by how many tokens it is above the ledger."""

    agent_id: str
    period: str
    tokens: int


async def reconcile(tenant_id: UUID, agents: Sequence[str]) -> list[Drift]:
    """Return where a tenant's counters drifted, report it, and have them seeded again."""
    found: dict[tuple[str, str], int] = {}
    for look in range(LOOKS):
        seen = await _compare(tenant_id, agents)
        found = seen if look == 0 else {key: _nearer(found[key], seen[key]) for key in found if key in seen}
        found = {key: tokens for key, tokens in found.items() if tokens}
        if not found:
            return []
        await asyncio.sleep(PAUSE)
    drifts = [Drift(agent_id, period, tokens) for (agent_id, period), tokens in sorted(found.items())]
    await in_thread(_report, tenant_id, drifts)
    await qredis.client().call("DEL", f"seeded:{tenant_id}")
    return drifts


def _nearer(one: int, other: int) -> int:
    return 0 if one * other <= 0 else min(one, other, key=abs)


async def _compare(tenant_id: UUID, agents: Sequence[str]) -> dict[tuple[str, str], int]:
    day = datetime.now(UTC).date()
    today, month = day.isoformat(), day.isoformat()[:7]
    seeded, booked, held = await qredis.client().run(
        scripts.COUNTS, (), [str(tenant_id), today, *agents], deadline=2
    )
    if not seeded:
        return {}
    spooled = await seeding.spooled(tenant_id)
    rows, stored = await in_thread(ledger.used, tenant_id, day, sorted(spooled))
    waiting = [spooled[run] for run in spooled.keys() - stored]
    waiting += [(agent.decode(), at.decode(), int(tokens), 0) for agent, at, tokens in _threes(held)]
    known = seeding.sums(rows, waiting, today)
    names = [(whose, period) for whose in ("", *agents) for period in (today, month)]
    counted = dict(zip(names, map(int, booked), strict=True))
    return {name: counted[name] - known.get(name, [0])[0] for name in names}


def _threes(flat: Sequence[bytes]) -> zip[tuple[bytes, bytes, bytes]]:
    return zip(flat[::3], flat[1::3], flat[2::3], strict=True)


def _report(tenant_id: UUID, drifts: Sequence[Drift]) -> None:
    now = datetime.now(UTC)
    with tenancy.use(tenancy.platform("report drift")):
        GuardEvent.objects.bulk_create(
            GuardEvent(
                id=f"drift-{uuid4()}",
                at=now,
                kind=GuardEvent.Kind.DRIFT,
                agent_id=drift.agent_id,
                tenant_id=tenant_id,
                detail={"period": drift.period, "tokens": drift.tokens},
            )
            for drift in drifts
        )

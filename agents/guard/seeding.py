"""Counters after a loss: seeded from the ledger, from runs under way and from what was not written down yet.

Redis holds counters, PostgreSQL the truth. A server that restarted, failed over or was flushed has another memory;
until a tenant's counters are seeded in it, nothing of that tenant is admitted. Runs under way have GRACE seconds to
take their leases back first, and what ends meanwhile is owed: the last step refuses to go on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date
from uuid import UUID

import orjson

from agents import ledger
from agents.guard import scripts
from agents.guard.admission import SPOOL
from qualisys import redis as qredis
from qualisys.database.threads import in_thread
from qualisys.problems import Problem

#: Milliseconds in which processes notice a new memory and restore what they hold.
GRACE = round(qredis.MEMORY_GRACE * 1000)
#: How often seeding starts over because a run ended meanwhile.
ATTEMPTS = 20
_PAGE = 1000

_seeding: dict[UUID, asyncio.Task[None]] = {}


async def seed(tenant_id: UUID) -> None:
    """Seed a tenant's counters; raise `guard_unavailable` while it cannot be done. Once at a time in a process."""
    task = _seeding.get(tenant_id)
    if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
        task = _seeding[tenant_id] = asyncio.create_task(_seed(tenant_id))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


async def _seed(tenant_id: UUID) -> None:
    client = qredis.client()
    for _ in range(ATTEMPTS):
        memory, age, day, owed = await client.run(scripts.OWED, (), [str(tenant_id)])
        if not memory:
            await client.remember()
            continue
        if age < GRACE:
            raise not_ready((GRACE - age) / 1000)
        waits = await spooled(tenant_id)
        settled = {run.decode() for run in owed}
        known = sorted(settled | set(waits))
        rows, stored = await in_thread(ledger.used, tenant_id, date.fromisoformat(day.decode()), known)
        waiting = [waits[run] for run in waits.keys() - settled - stored]
        args: list[str | bytes | int] = [
            str(tenant_id),
            memory,
            orjson.dumps(known),
            orjson.dumps(sorted(stored)),
            *_flat(sums(rows, waiting, day.decode())),
        ]
        if await client.run(scripts.SEED, (), args) == 1:
            return
    raise not_ready(1)


def not_ready(seconds: float) -> Problem:
    """Return the refusal of a guard that does not know yet what was used."""
    detail = "The guard is counting anew what was used, after a loss. Try again in a moment."
    return Problem("guard_unavailable", detail, headers={"Retry-After": str(max(1, round(seconds + 0.5)))})


_Entry = tuple[str, str, int, int]


async def spooled(tenant_id: UUID) -> dict[str, _Entry]:
    """Return the tenant's settled runs that wait to be written: run to agent, day, tokens, cost."""
    found: dict[str, _Entry] = {}
    after = "-"
    while True:
        rows = await qredis.client().call("XRANGE", SPOOL, after, "+", "COUNT", _PAGE, deadline=2)
        for _, fields in rows:
            entry = orjson.loads(fields[1])
            # What the relay cannot read it sets aside; it must not keep a tenant from its counters.
            if entry.get("tenant_id") == str(tenant_id) and "input_tokens" in entry:
                tokens = entry["input_tokens"] + entry["output_tokens"]
                found[entry["run_id"]] = (
                    entry["agent_id"],
                    entry["created_at"][:10],
                    tokens,
                    entry.get("cost_micros", 0),
                )
        if len(rows) < _PAGE:
            return found
        after = f"({rows[-1][0].decode()}"


def sums(
    rows: Sequence[ledger.Used], waiting: Sequence[_Entry], today: str
) -> dict[tuple[str, str], list[int]]:
    """Return tokens and cost by agent ('' for all of them) and day or month."""
    month = today[:7]
    found: dict[tuple[str, str], list[int]] = {}

    def add(agent_id: str, period: str, tokens: int, cost: int) -> None:
        for whose in (agent_id, ""):
            total = found.setdefault((whose, period), [0, 0])
            total[0] += tokens
            total[1] += cost

    for row in rows:
        add(row.agent_id, today, row.day_tokens, row.day_cost)
        add(row.agent_id, month, row.month_tokens, row.month_cost)
    for agent_id, day, tokens, cost in waiting:
        add(agent_id, day, tokens, cost)
        add(agent_id, day[:7], tokens, cost)
    return found


def _flat(found: dict[tuple[str, str], list[int]]) -> Iterator[str | int]:
    for (whose, period), (tokens, cost) in found.items():
        yield from (whose, period, tokens, cost)

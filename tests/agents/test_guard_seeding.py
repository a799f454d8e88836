"""Seeding step by step: what is owed is never left out, and a slower process never counts back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest

from agents.guard import (
    Grant,
    Lease,
    Plan,
    Settlement,
    Unseeded,
    admit,
    restore,
    scripts,
    seeding,
    settle,
)
from agents.guard.admission import SPOOL, Admitted
from qualisys import redis as qredis
from tests import guarding

GRANT = Grant(tokens=100, output_tokens=60, cost_micros=7)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """These runs are nobody's: what they spool is taken away again."""
    yield
    guarding.sweep()


def forgotten() -> Plan:
    """Return the plan of a tenant whose counters this Redis has not been told."""
    qredis.begin_memory()
    return guarding.plan(agent={"daily_tokens": 1000}, seeded_before=True)


def lease_of(plan: Plan) -> Lease:
    return Lease(uuid4(), plan.tenant_id, plan.agent_id, uuid4())


async def seed(plan: Plan, *, known: list[str], stored: list[str], tokens: int) -> int:
    client = qredis.client()
    memory = await client.call("GET", "memory")
    day = datetime.now(UTC).date().isoformat()
    ledger = [each for whose in (plan.agent_id, "") for each in (whose, day, tokens, 0)]
    args: list[str | bytes | int] = [
        str(plan.tenant_id),
        memory,
        orjson.dumps(known),
        orjson.dumps(stored),
        *ledger,
    ]
    done: int = await client.run(scripts.SEED, (), args)
    return done


async def counted(plan: Plan) -> int:
    day = datetime.now(UTC).date()
    return int(await qredis.client().call("GET", f"token_budget:{plan.tenant_id}:{plan.agent_id}:{day}") or 0)


async def ask(plan: Plan, lease: Lease) -> Admitted:
    return await admit(lease, plan, GRANT, epochs={}, process="seeding", payload={})


async def end(lease: Lease, tokens: int) -> None:
    day = datetime.now(UTC).date().isoformat()
    run = str(lease.run_id).encode()
    assert (await settle(lease, Settlement([], run, b"{}", tokens=tokens, day=day))).ended


async def test_admit__counters_not_known__nothing_is_admitted() -> None:
    plan = forgotten()
    with pytest.raises(Unseeded):
        await ask(plan, lease_of(plan))


async def test_seed__a_run_ended_meanwhile__asks_for_another_look() -> None:
    """What was settled before the counters came back is owed; the seed must know whether the ledger has it."""
    plan = forgotten()
    lease = lease_of(plan)
    await end(lease, 30)
    assert await seed(plan, known=[], stored=[], tokens=500) == 0
    assert await seed(plan, known=[str(lease.run_id)], stored=[], tokens=500) == 1
    assert await counted(plan) == 530


async def test_seed__the_ledger_has_it_already__is_counted_once() -> None:
    plan = forgotten()
    lease = lease_of(plan)
    await end(lease, 30)
    assert await seed(plan, known=[str(lease.run_id)], stored=[str(lease.run_id)], tokens=530) == 1
    assert await counted(plan) == 530


async def test_seed__a_run_that_took_its_lease_back__is_reserved() -> None:
    plan = forgotten()
    lease = lease_of(plan)
    day = datetime.now(UTC).date().isoformat()
    admitted = Admitted(0, day, (0, 0, 0), (0, 0, 0), "")
    assert await restore(lease, plan, GRANT, admitted, process="seeding", payload={})
    assert not await restore(lease, plan, GRANT, admitted, process="seeding", payload={})
    assert await seed(plan, known=[], stored=[], tokens=500) == 1
    assert await counted(plan) == 600
    await end(lease, 30)
    assert await counted(plan) == 530


async def test_seed__by_a_slower_process__changes_nothing() -> None:
    plan = forgotten()
    assert await seed(plan, known=[], stored=[], tokens=500) == 1
    lease = lease_of(plan)
    await ask(plan, lease)
    await end(lease, 30)
    assert await seed(plan, known=[], stored=[], tokens=500) == 1
    assert await counted(plan) == 530


async def test_seed__of_another_memory__is_refused() -> None:
    plan = forgotten()
    args: list[str | bytes] = [str(plan.tenant_id), "another:1", b"[]", b"[]"]
    assert await qredis.client().run(scripts.SEED, (), args) == 0


async def test_spooled__an_entry_that_nobody_can_read__is_passed_over() -> None:
    """The relay will set it aside; until then it must not keep tenants from their counters."""
    client = qredis.client()
    key = await client.call("XADD", SPOOL, "*", "entry", b"{}")
    assert await seeding.spooled(uuid4()) == {}
    await client.call("XDEL", SPOOL, key)

"""P13: a circuit whose time has come is tried by exactly one run, however many want to."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from agents.guard import Grant, Lease, Settlement, admit, settle
from qualisys import redis as qredis
from qualisys.problems import Problem
from tests import guarding
from tests.conftest import FULL

pytestmark = pytest.mark.promise

PROCESSES, CONTENDERS = 4, 16
TRIALS = 1_000 if FULL else 60


def opened(tenant: UUID) -> None:
    """Open a circuit for every trial, whose time has come."""
    client = qredis.sync_client().pipeline()
    for trial in range(TRIALS):
        plan = guarding.plan(tenant_id=tenant, agent_id=f"trial-{trial}", customized=True)
        client.hset(plan.circuits_of(plan.candidates[0])[0], mapping={"state": "open", "until": 0})
    client.execute()


@pytest.fixture(scope="module")
def probes() -> dict[str, list[int]]:
    """How many runs tried each trial's circuit, by the guard and in the naive way."""
    tenants = {"tenant": uuid4(), "naive_tenant": uuid4()}
    for tenant in tenants.values():
        opened(tenant)
    told = {"do": "probe", "trials": TRIALS, "contenders": CONTENDERS, **tenants}
    found = guarding.contend("tests.promises.contenders", PROCESSES, **told)
    return {
        way: [sum(of_trial) for of_trial in zip(*(each[way] for each in found), strict=True)]
        for way in ("guard", "naive")
    }


def test_half_open__64_contenders_in_four_processes__exactly_one_probe(probes: dict[str, list[int]]) -> None:
    """P13: one each time."""
    assert probes["guard"] == [1] * TRIALS


def test_half_open__looked_at_then_claimed__a_crowd(probes: dict[str, list[int]]) -> None:
    """P13: the same contenders find the race in the obvious way of doing it."""
    assert max(probes["naive"]) > 1


async def test_probe__whose_lease_ran_out__is_fenced_and_wedges_nothing() -> None:
    """P13: a probe that never reports lets another one try; what it says afterwards counts for nothing."""
    plan = guarding.plan(agent_id="fenced", customized=True)
    own = plan.circuits_of(plan.candidates[0])[0]
    client = qredis.client()
    await client.call("HSET", own, "state", "open", "until", 0)
    first, second = (Lease(uuid4(), plan.tenant_id, plan.agent_id, uuid4()) for _ in range(2))
    await ask(first)
    with pytest.raises(Problem) as refused:
        await ask(second)
    assert refused.value.code == "agent_circuit_open"

    await client.call("HSET", own, "until", 1)  # its lease is over, by Redis' own clock
    await ask(second)
    await settle(first, Settlement([], b"1", b"{}", own="ok"))
    assert await client.call("HMGET", own, "state", "probe") == [b"half_open", str(second.run_id).encode()]
    await settle(second, Settlement([], b"2", b"{}", own="ok"))
    assert await client.call("EXISTS", own) == 0
    guarding.sweep()


async def ask(lease: Lease) -> None:
    plan = guarding.plan(tenant_id=lease.tenant_id, agent_id=lease.agent_id, customized=True)
    await admit(lease, plan, Grant(0, 0, 0), epochs={}, process="p13", payload={})

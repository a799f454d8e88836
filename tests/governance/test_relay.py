"""The relay as a process: killed, restarted, doubled, frozen. Every run has one row in the end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from agents.guard.admission import SPOOL
from governance.runs import spool
from qualisys import redis as qredis
from qualisys import tenancy
from tests.conftest import FULL
from tests.execution_log import rows, stored
from tests.portal import Portal, Process, Scripted, wait_for

KILLS = 50 if FULL else 3
RUNS = 40

Tenants = dict[str, tenancy.Tenant]


@pytest.fixture
def relay(portal: Portal) -> Iterator[Process]:
    """The relay, running again afterwards."""
    process = portal.others["relay"]
    yield process
    process.restart()


def runs(portal: Portal, agent: Scripted, count: int) -> list[str]:
    """Run an agent `count` times and return the runs."""

    def one(_: int) -> str:
        with portal.client() as client:
            answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
            while answer.status_code == 503:
                # A busy machine may keep the guard waiting; a client comes again, as it is told.
                time.sleep(int(answer.headers["Retry-After"]))
                answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
            run_id: str = answer.json()["run_id"]
            return run_id

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(count)))


def check_each_once(
    tenant: tenancy.Tenant, agent: Scripted, expected: list[str], seconds: float = 40
) -> None:
    wait_for(lambda: len(rows(tenant, agent_id=agent.agent_id)) >= len(expected), seconds, "the log rows")
    wait_for(lambda: qredis.sync_client().xlen(SPOOL) == 0, seconds, "an empty spool")
    assert sorted(str(each.id) for each in rows(tenant, agent_id=agent.agent_id)) == sorted(expected)
    assert sorted(str(each.pk) for each in stored(tenant, agent_id=agent.agent_id)) == sorted(expected)
    assert {each.status for each in rows(tenant, agent_id=agent.agent_id)} == {"success"}


def test_relay__killed_again_and_again_while_writing__loses_and_doubles_nothing(
    portal: Portal, tenants: Tenants, relay: Process
) -> None:
    agent, expected = portal.scripted("chunks=2"), []
    dead = qredis.sync_client().xlen(spool.DEAD)
    for _ in range(KILLS):
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(runs, portal, agent, RUNS)
            # Kill it as soon as it has something in hand: read, perhaps written, not yet acknowledged.
            deadline = time.monotonic() + 10
            while not in_hand() and time.monotonic() < deadline and not call.done():
                pass
            relay.kill()
            expected += call.result()
        relay.restart()
    check_each_once(tenants["acme"], agent, expected)
    assert qredis.sync_client().xlen(spool.DEAD) == dead


def in_hand() -> int:
    """Return how many entries a writer has read and not acknowledged."""
    try:
        return int(qredis.sync_client().xpending(SPOOL, spool.GROUP)["pending"])
    except redis.ResponseError:
        return 0  # no relay has been here yet


def test_relay__away_for_a_while__drains_the_backlog(
    portal: Portal, tenants: Tenants, relay: Process
) -> None:
    relay.kill()
    agent = portal.scripted("chunks=2")
    expected = runs(portal, agent, 200 if not FULL else 2000)
    assert rows(tenants["acme"], agent_id=agent.agent_id) == []
    assert qredis.sync_client().xlen(SPOOL) >= len(expected)
    relay.restart()
    check_each_once(tenants["acme"], agent, expected)


def test_relay__two_side_by_side__store_each_run_once(
    portal: Portal, tenants: Tenants, relay: Process
) -> None:
    second = Process("relay2", [sys.executable, "manage.py", "relay"], portal.env)
    try:
        agent = portal.scripted("chunks=2")
        check_each_once(tenants["acme"], agent, runs(portal, agent, RUNS * 3))
    finally:
        second.stop()


def test_relay__frozen_with_entries_in_hand__another_takes_them_over(
    portal: Portal, tenants: Tenants, relay: Process
) -> None:
    agent = portal.scripted("chunks=2")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(runs, portal, agent, RUNS)
        wait_for(in_hand, 10) if not call.done() else None
        relay.signal(signal.SIGSTOP)
        expected = call.result()
    second = Process("relay3", [sys.executable, "manage.py", "relay"], portal.env)
    try:
        check_each_once(tenants["acme"], agent, expected)
        relay.signal(signal.SIGCONT)
        time.sleep(1)
        check_each_once(tenants["acme"], agent, expected)
    finally:
        relay.signal(signal.SIGCONT)
        second.stop()


def test_relay__asked_to_end__ends_in_good_order(portal: Portal, tenants: Tenants, relay: Process) -> None:
    agent = portal.scripted()
    check_each_once(tenants["acme"], agent, runs(portal, agent, 1))
    relay.popen.terminate()
    assert relay.popen.wait(10) == 0

"""Runs whose process cannot end them: frozen too long, gone, or never come back. One end for everybody."""

from __future__ import annotations

import signal
import time

from agents.guard.admission import LEASES, lease_key
from qualisys import redis as qredis
from qualisys import tenancy
from tests.execution_log import row, rows
from tests.portal import Portal, wait_for
from tests.sse import Stream, text_of

Tenants = dict[str, tenancy.Tenant]


def test_reap__process_frozen_beyond_its_heartbeat__ended_once_and_it_learns_so(
    portal: Portal, tenants: Tenants
) -> None:
    agent = portal.scripted("chunks=3000,interval=10")
    (web,) = portal.new_webs(1)
    with (
        portal.client(web=web) as client,
        portal.client() as elsewhere,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        events = stream.take(20)
        web.signal(signal.SIGSTOP)
        try:
            found = row(tenants["acme"], events[0].run_id)
            with Stream(elsewhere, f"/runs/{events[0].run_id}/stream") as other:
                told = list(other)
        finally:
            web.signal(signal.SIGCONT)
        events += stream.until("run.failed", "run.completed")
        portal.provider.wait(lambda seen: seen["aborted"] == 1, agent.model, 5)
        time.sleep(0.5)
        run = elsewhere.get(f"/runs/{events[0].run_id}").json()
    assert (found.status, found.error_code) == ("error", "worker_lost")
    for end in (events[-1], told[-1]):
        assert (end.name, end.data["problem"]["code"]) == ("run.failed", "worker_lost")
    assert (run["status"], run["output"]) == ("failed", text_of(told))
    assert len(rows(tenants["acme"], id=found.id)) == 1
    web.stop()


def test_reap__server_asked_to_end__ends_its_runs_itself_at_once(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted("stall=3")
    (web,) = portal.new_webs(1)
    with (
        portal.client(web=web) as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        run_id = stream.take(2)[0].run_id
        web.popen.terminate()
        wait_for(lambda: not qredis.sync_client().exists(lease_key(run_id)), 8, "the end of the run")
    assert web.popen.wait(10) == 0 or web.popen.returncode == -signal.SIGTERM
    portal.provider.wait(lambda seen: seen["aborted"] == 1, agent.model, 5)
    found = row(tenants["acme"], run_id)
    assert (found.status, found.error_code) == ("error", "worker_lost")
    assert found.execution_time_ms < 8000


def test_reap__lease_without_a_run__is_forgotten(portal: Portal) -> None:
    client = qredis.sync_client()
    client.zadd(LEASES, {"01a1f87b-a436-7a8b-a961-43ebcc561166": 1})
    wait_for(lambda: client.zscore(LEASES, "01a1f87b-a436-7a8b-a961-43ebcc561166") is None, 5)


def test_reap__a_lease_that_nobody_can_read__holds_up_no_other(portal: Portal, tenants: Tenants) -> None:
    """What an orphan left behind may be of another release, or damaged: its lease is dropped, the others end."""
    portal.web()
    client, broken = qredis.sync_client(), "00000000-0000-7000-8000-00000000dead"
    client.hset(lease_key(broken), mapping={"payload": "{}", "process": "gone", "tenant": "t", "agent": "a"})
    client.hset(
        lease_key(broken), mapping={"tokens": 1, "cost": 0, "day": "2026-01-01", "own": "", "model": ""}
    )
    client.zadd(LEASES, {broken: 1})
    wait_for(lambda: not client.exists(lease_key(broken)), 10, "the broken lease to be dropped")
    assert client.zscore(LEASES, broken) is None

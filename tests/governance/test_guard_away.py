"""Redis frozen for a moment: nothing runs unguarded, nothing hangs, nothing is lost, and it is over at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest

from agents.guard.admission import LEASES, live_key
from qualisys import redis as qredis
from qualisys import tenancy
from tests import pages
from tests.conftest import FULL
from tests.console import console
from tests.execution_log import row, rows
from tests.portal import Portal, wait_for
from tests.sse import Stream, text_of

#: Seconds in which a refusal is given while Redis does not answer.
AT_ONCE = 0.5 if FULL else 2.0

Tenants = dict[str, tenancy.Tenant]


@pytest.fixture(scope="module")
def valkey() -> psutil.Process:
    """The session's Valkey, found through its port."""
    port = urlsplit(os.environ["REDIS_URL"]).port
    for process in psutil.process_iter(["name"]):
        if "valkey" not in (process.info["name"] or ""):
            continue
        if any(each.laddr.port == port and each.status == "LISTEN" for each in process.net_connections()):
            return process
    raise AssertionError(f"nothing listens on port {port}")


@contextmanager
def frozen(valkey: psutil.Process, seconds: float = 0) -> Iterator[None]:
    """Freeze Valkey for the block, or for so many seconds from its start on."""
    valkey.send_signal(signal.SIGSTOP)
    thaw = threading.Timer(seconds or 1.8, valkey.send_signal, (signal.SIGCONT,))
    thaw.start()
    try:
        yield
    finally:
        if not seconds:
            thaw.cancel()
            valkey.send_signal(signal.SIGCONT)
        thaw.join()


def recovered(portal: Portal, agent_id: str, seconds: float = 5) -> float:
    def runs() -> bool:
        with portal.client() as client:
            return client.post(f"/agents/{agent_id}/runs", json={"input": "x"}).status_code == 201

    return wait_for(runs, seconds, "a run after the freeze")


def test_run__guard_frozen__refused_at_once_and_nothing_started(
    portal: Portal, tenants: Tenants, valkey: psutil.Process
) -> None:
    agent = portal.scripted("chunks=1")
    recovered(portal, agent.agent_id)
    before = portal.provider.stats(agent.model)["requests"]
    with portal.client() as client, frozen(valkey):
        began = time.monotonic()
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
        seconds = time.monotonic() - began
        streamed = client.post(f"/agents/{agent.agent_id}/stream", json={"input": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "guard_unavailable")
    assert (streamed.status_code, streamed.json()["code"]) == (503, "guard_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert seconds < AT_ONCE
    recovered(portal, agent.agent_id)
    assert portal.provider.stats(agent.model)["requests"] == before + 1
    # A frozen server reads what was sent to it when it wakes: no ghost of a refused run may remain.
    wait_for(lambda: not qredis.sync_client().exists(LEASES, live_key(tenants["acme"].id)), 5, "no lease")
    wait_for(lambda: len(rows(tenants["acme"], agent_id=agent.agent_id)) > before, 20, "the log rows")
    time.sleep(1)
    assert [each.status for each in rows(tenants["acme"], agent_id=agent.agent_id)] == ["success"] * (
        before + 1
    )


def test_key__claimed_while_frozen__may_be_used_again_at_once(portal: Portal, valkey: psutil.Process) -> None:
    agent, key = portal.scripted("chunks=1"), {"Idempotency-Key": uuid4().hex}
    recovered(portal, agent.agent_id)
    with portal.client() as client:
        with frozen(valkey):
            first = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}, headers=key)
        assert first.status_code == 503
        recovered(portal, agent.agent_id)
        began = time.monotonic()
        again = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}, headers=key)
    assert again.status_code == 201, again.text
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("seconds", [0.6, 1.7])
def test_run__guard_frozen_while_it_ends__settles_once_afterwards(
    portal: Portal, tenants: Tenants, valkey: psutil.Process, seconds: float
) -> None:
    agent = portal.scripted("chunks=1,latency=500")
    timer = threading.Timer(0.3, lambda: frozen(valkey, seconds).__enter__())
    with portal.client() as client:
        timer.start()
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
    time.sleep(seconds)
    assert (answer.status_code, answer.json().get("status")) == (201, "completed"), answer.text
    found = row(tenants["acme"], answer.json()["run_id"])
    assert (found.status, found.error_code) == ("success", "")
    assert len(rows(tenants["acme"], agent_id=agent.agent_id)) == 1


@pytest.mark.parametrize("seconds", [0.6, 1.7])
def test_stream__guard_frozen_in_the_middle__text_is_whole_here_and_elsewhere(
    portal: Portal, valkey: psutil.Process, seconds: float
) -> None:
    agent = portal.scripted("chunks=300,interval=10").agent_id
    portal.web(1)
    with portal.client() as client, portal.client(web=portal.web(1)) as elsewhere:
        with Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
            events = stream.take(20)
            with frozen(valkey, seconds):
                events += stream.take(20)
            events += list(stream)
        assert events[-1].name == "run.completed"
        recovered(portal, agent)
        with Stream(elsewhere, f"/runs/{events[0].run_id}/stream") as again:
            replayed = list(again)
    assert text_of(events) == events[-1].data["output"] == text_of(replayed)
    assert (replayed[-1].id, replayed[-1].data) == (events[-1].id, events[-1].data)


def test_health_pages__guard_frozen__say_that_nothing_is_known(
    portal: Portal, database: None, valkey: psutil.Process
) -> None:
    with console(portal) as owner, pages.as_role(portal, "acme", "owner") as client:
        assert client.get("/settings/health/").status_code == 200
        with frozen(valkey, 10):
            ours, usage, theirs = (
                client.get("/settings/health/"),
                client.get("/settings/usage/"),
                owner.get("/admin/health/"),
            )
        assert [answer.status_code for answer in (ours, usage, theirs)] == [200, 200, 200]
        assert "The guard does not answer" in ours.text
        assert "Not known right now" in ours.text
        assert "circuits and budgets are unknown" in theirs.text
        wait_for(
            lambda: "The guard does not answer" not in client.get("/settings/health/").text, 5, "the guard"
        )

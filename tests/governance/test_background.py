"""Runs that nobody waits for: handed to a worker, or left to finish behind a 202."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from governance.models import Run
from governance.runs import background
from qualisys import tenancy
from qualisys.ids import uuid7
from tests.execution_log import row, rows, stored
from tests.portal import Portal, wait_for
from tests.sse import Stream, text_of

Tenants = dict[str, tenancy.Tenant]


def status_of(portal: Portal, run_id: str) -> str:
    with portal.client() as client:
        found: str = client.get(f"/runs/{run_id}").json()["status"]
        return found


@pytest.mark.parametrize(
    ("agent", "body", "status"),
    [("no-such-agent", {"input": "x"}, 404), ("baconsultant", {"input": " "}, 422)],
)
def test_background__refused_at_once__not_queued(
    portal: Portal, agent: str, body: dict[str, str], status: int
) -> None:
    with portal.client() as client:
        answer = client.post(f"/agents/{agent}/runs", json=body, headers={"Prefer": "respond-async"})
    assert answer.status_code == status


def test_run__wait_beyond_the_most__refused(portal: Portal) -> None:
    with portal.client() as client:
        answer = client.post("/agents/baconsultant/runs", json={"input": "x"}, headers={"Prefer": "wait=121"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Prefer")


def test_background__asked_for__accepted_then_completed_by_the_worker(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    agent = portal.scripted("chunks=4")
    with portal.client() as client:
        answer = client.post(
            f"/agents/{agent.agent_id}/runs", json={"input": "hello"}, headers={"Prefer": "respond-async"}
        )
        run_id = answer.json()["run_id"]
        wait_for(lambda: status_of(portal, run_id) == "completed", 30, "the background run")
        run = client.get(answer.headers["Location"].removeprefix("/api/v1")).json()
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Location"] == f"/api/v1/runs/{run_id}"
    assert run["output"] == "0000 0001 0002 0003 "
    assert row(tenants["acme"], run_id).status == "success"
    assert [each.status for each in stored(tenants["acme"], pk=run_id)] == ["completed"]


def test_background__provider_fails__run_says_so(portal: Portal, tenants: dict[str, tenancy.Tenant]) -> None:
    agent = portal.scripted("status=500").agent_id
    with portal.client() as client:
        answer = client.post(
            f"/agents/{agent}/runs", json={"input": "x"}, headers={"Prefer": "respond-async"}
        )
        run_id = answer.json()["run_id"]
        wait_for(lambda: status_of(portal, run_id) == "failed", 30)
        problem = client.get(f"/runs/{run_id}").json()["problem"]
    assert (problem["code"], problem["run_id"]) == ("provider_error", run_id)
    assert row(tenants["acme"], run_id).error_code == "provider_error"


def test_background__attached_while_queued__follows_it_to_its_end(portal: Portal) -> None:
    agent = portal.scripted("chunks=50,interval=10").agent_id
    blocker = portal.scripted("chunks=1,ttft=1500").agent_id
    with portal.client() as client:
        client.post(f"/agents/{blocker}/runs", json={"input": "x"}, headers={"Prefer": "respond-async"})
        answer = client.post(
            f"/agents/{agent}/runs", json={"input": "x"}, headers={"Prefer": "respond-async"}
        )
        run_id = answer.json()["run_id"]
        with Stream(client, f"/runs/{run_id}/stream") as stream:
            events = stream.until("run.completed")
    assert events[0].name == "run.started"
    assert text_of(events) == events[-1].data["output"]


def test_run__longer_than_the_wait__accepted_and_finished_behind_it(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    agent = portal.scripted("chunks=2,latency=1800")
    with portal.client() as client:
        began = time.monotonic()
        answer = client.post(
            f"/agents/{agent.agent_id}/runs", json={"input": "x"}, headers={"Prefer": "wait=1"}
        )
        assert 0.9 < time.monotonic() - began < 1.7
        run_id = answer.json()["run_id"]
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
        assert answer.headers["Location"] == f"/api/v1/runs/{run_id}"
    wait_for(lambda: status_of(portal, run_id) == "completed", 10)
    assert row(tenants["acme"], run_id).status == "success"
    assert portal.provider.stats(agent.model)["requests"] == 1


def test_background__lost_on_its_way__sent_again(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted("chunks=1")
    run_id = left_behind(portal, tenants["acme"], agent.agent_id, "queued")
    with tenancy.use(tenants["acme"]):
        background.mend()
    wait_for(lambda: status_of(portal, run_id) == "completed", 30, "the lost run")
    with tenancy.use(tenants["acme"]):
        background.mend()
    assert portal.provider.stats(agent.model)["requests"] == 1
    assert row(tenants["acme"], run_id).status == "success"


def test_background__claimed_by_a_worker_that_died_before_it_began__ends_as_lost(
    portal: Portal, tenants: Tenants
) -> None:
    agent = portal.scripted()
    run_id = left_behind(portal, tenants["acme"], agent.agent_id, "running")
    with tenancy.use(tenants["acme"]):
        background.mend()
    with portal.client() as client:
        run = client.get(f"/runs/{run_id}").json()
    assert (run["status"], run["problem"]["code"]) == ("failed", "worker_lost")
    assert portal.provider.stats(agent.model)["requests"] == 0


def left_behind(portal: Portal, tenant: tenancy.Tenant, agent_id: str, status: str) -> str:
    """Store a background run as an accident left it two minutes ago, and return its id."""
    with portal.client() as client:
        like = client.post(f"/agents/{portal.scripted().agent_id}/runs", json={"input": "x"}).json()
    row(tenant, like["run_id"])
    with tenancy.use(tenant):
        run = Run.objects.get(pk=like["run_id"])
        run.pk, run.agent_id, run.status, run.conversation_id = uuid7(), agent_id, status, uuid7()
        run.created_at = datetime.now(UTC) - timedelta(minutes=2)
        run.save(force_insert=True)
    return str(run.pk)


def test_background__worker_killed__ends_once_as_lost_and_never_runs_twice(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    agent = portal.scripted("chunks=3000,interval=10")
    with portal.client() as client:
        answer = client.post(
            f"/agents/{agent.agent_id}/runs", json={"input": "x"}, headers={"Prefer": "respond-async"}
        )
        run_id = answer.json()["run_id"]
        portal.provider.wait(lambda found: found["inflight"] == 1, agent.model, 30)
        with Stream(client, f"/runs/{run_id}/stream") as stream:
            events = stream.take(5)
            for child in psutil.Process(portal.others["runner"].pid).children():
                os.kill(child.pid, signal.SIGKILL)
            events += stream.until("run.failed")
    assert events[-1].data["problem"]["code"] == "worker_lost"
    found = row(tenants["acme"], run_id)
    assert (found.status, found.error_code) == ("error", "worker_lost")
    assert len(rows(tenants["acme"], id=run_id)) == 1
    wait_for(lambda: [run.status for run in stored(tenants["acme"], pk=run_id)] == ["failed"], 10)
    assert portal.provider.stats(agent.model)["requests"] == 1

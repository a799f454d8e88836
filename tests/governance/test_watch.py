"""Cancelling: by whom, where, and what becomes of the run and of the call to the provider."""

from __future__ import annotations

from typing import Any

from qualisys import tenancy
from tests.execution_log import row, stored
from tests.portal import Portal, wait_for
from tests.sse import Stream

ENDLESS = "chunks=3000,interval=10"


def cancel(portal: Portal, run_id: str, tenant: str = "acme", role: str = "key", web: int = 0) -> Any:
    with portal.client(tenant, role, portal.web(web)) as client:
        return client.post(f"/runs/{run_id}/cancel")


def test_cancel__somebody_elses_run__only_by_who_administers(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    agent = portal.scripted(ENDLESS)
    with (
        portal.client(role="owner") as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        run_id = stream.take(2)[0].run_id
        colleague, stranger = cancel(portal, run_id, role="dev"), cancel(portal, run_id, "globex", "admin")
        assert (colleague.status_code, colleague.json()["code"]) == (403, "permission_denied")
        assert (stranger.status_code, stranger.json()["code"]) == (404, "not_found")
        assert portal.provider.stats(agent.model)["inflight"] == 1
        assert cancel(portal, run_id, role="admin").status_code == 202
        assert stream.until("run.completed")[-1].data["status"] == "cancelled"
    portal.provider.wait(lambda found: found["aborted"] == 1, agent.model)
    found = row(tenants["acme"], run_id)
    assert (found.status, found.error_code) == ("cancelled", "")
    assert found.output_tokens > 0


def test_cancel__one_not_there__not_found(portal: Portal) -> None:
    answer = cancel(portal, "01a1f87b-a436-7a8b-a961-43ebcc561166")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_cancel__ended__conflict(portal: Portal) -> None:
    with portal.client() as client:
        run = client.post(f"/agents/{portal.scripted().agent_id}/runs", json={"input": "x"}).json()
    answer = cancel(portal, run["run_id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_cancel__through_another_process__stops_within_a_second(portal: Portal) -> None:
    agent = portal.scripted(ENDLESS)
    portal.web(1)
    with (
        portal.client() as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        run_id = stream.take(2)[0].run_id
        assert cancel(portal, run_id, web=1).status_code == 202
        portal.provider.wait(lambda found: found["aborted"] == 1, agent.model, 1.5)
        assert stream.until("run.completed")[-1].data["status"] == "cancelled"


def test_cancel__a_stalled_call__is_hung_up_on(portal: Portal) -> None:
    agent = portal.scripted("stall=2")
    with (
        portal.client() as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        run_id = stream.take(2)[0].run_id
        assert cancel(portal, run_id).status_code == 202
        portal.provider.wait(lambda found: found["aborted"] == 1, agent.model)


def test_cancel__queued__never_reaches_the_provider(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    blocker, agent = portal.scripted("chunks=1,ttft=3000"), portal.scripted()
    with portal.client() as client:
        later = {"Prefer": "respond-async"}
        client.post(f"/agents/{blocker.agent_id}/runs", json={"input": "x"}, headers=later)
        portal.provider.wait(lambda found: found["requests"] == 1, blocker.model, 60)
        queued = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}, headers=later).json()
        assert cancel(portal, queued["run_id"]).status_code == 202
        assert cancel(portal, queued["run_id"]).status_code == 409
        assert client.get(f"/runs/{queued['run_id']}").json()["status"] == "cancelled"
        with Stream(client, f"/runs/{queued['run_id']}/stream") as stream:
            assert [event.name for event in stream][-1] == "run.completed"
    wait_for(lambda: portal.provider.stats(blocker.model)["completed"] == 1, 10)
    assert portal.provider.stats(agent.model)["requests"] == 0
    assert [run.status for run in stored(tenants["acme"], pk=queued["run_id"])] == ["cancelled"]

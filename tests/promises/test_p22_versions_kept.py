"""P22: what ran is known exactly, and what has begun is not changed under anybody's feet."""

from __future__ import annotations

from typing import Any

import pytest

from qualisys import tenancy
from tests.execution_log import forget, row, rows
from tests.portal import Portal, wait_for
from tests.sse import Stream


def new_version(portal: Portal, agent_id: str, prompt: str, share: int = 100) -> dict[str, Any]:
    body = {"system_prompt": prompt, "changelog": "Changed.", "rollout_percentage": share}
    with portal.client(None) as client:
        answer = client.post(f"/admin/agents/{agent_id}/versions", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def retire(portal: Portal, agent_id: str, version: str) -> None:
    with portal.client(None) as client:
        path, body = f"/admin/agents/{agent_id}/versions/{version}", {"status": "retired", "reason": "Done."}
        answer = client.put(path, json=body)
    assert answer.status_code == 200, answer.text


def hashes(portal: Portal, agent_id: str) -> dict[str, str]:
    with portal.client(None) as client:
        found = client.get(f"/admin/agents/{agent_id}/versions").json()["items"]
    return {version["version"]: version["content_hash"] for version in found}


def run(portal: Portal, agent_id: str, conversation_id: str | None = None) -> dict[str, Any]:
    with portal.client() as client:
        answer = client.post(
            f"/agents/{agent_id}/runs", json={"input": "x", "conversation_id": conversation_id}
        )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.promise
def test_p22_log__however_a_run_ends__carries_version_and_content_hash(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    """P22: a success, an error, a timeout, a cancelled and a background run all say what they were told."""
    agents = [portal.scripted(script, timeout_seconds=1).agent_id for script in ("", "status=500", "hang=1")]
    for agent_id in agents:
        new_version(portal, agent_id, "You answer as the test provider does, but better.")
        with portal.client() as client:
            client.post(f"/agents/{agent_id}/runs", json={"input": "x"})
    later, left = portal.scripted().agent_id, portal.scripted("stall=1").agent_id
    with portal.client() as client:
        client.post(f"/agents/{later}/runs", json={"input": "x"}, headers={"Prefer": "respond-async"})
        with Stream(client, f"/agents/{left}/stream", {"input": "x"}) as stream:
            client.post(f"/runs/{stream.take(1)[0].run_id}/cancel")
            stream.until("run.completed")
    for agent_id in (*agents, later, left):
        wait_for(lambda agent_id=agent_id: rows(tenants["acme"], agent_id=agent_id), 30, agent_id)
        (found,) = rows(tenants["acme"], agent_id=agent_id)
        assert found.version == ("1.1.0" if agent_id in agents else "1.0.0")
        assert found.content_hash == hashes(portal, agent_id)[found.version]
        assert len(found.content_hash) == 64


@pytest.mark.promise
def test_p22_run__under_way_while_a_version_takes_over__keeps_its_own(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    """P22: also when the old version is retired meanwhile; the next run takes the new one."""
    agent = portal.scripted("chunks=200,interval=10")
    with (
        portal.client() as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        started = stream.take(2)[0]
        new_version(portal, agent.agent_id, "You are another prompt altogether.")
        retire(portal, agent.agent_id, "1.0.0")
        wait_for(lambda: seen(portal, agent.agent_id) == "1.1.0", 5)
        stream.until("run.completed")
    known = hashes(portal, agent.agent_id)
    found = row(tenants["acme"], started.run_id)
    assert started.data["version"] == found.version == "1.0.0"
    assert found.content_hash == known["1.0.0"] != known["1.1.0"]
    assert run(portal, agent.agent_id)["version"] == "1.1.0"


def seen(portal: Portal, agent_id: str) -> str:
    with portal.client() as client:
        version: str = client.get(f"/agents/{agent_id}").json()["version"]
        return version


@pytest.mark.promise
@pytest.mark.parametrize("source", ["redis", "database"])
def test_p22_conversation__keeps_its_version__until_that_is_retired(
    portal: Portal, tenants: dict[str, tenancy.Tenant], source: str
) -> None:
    """P22: turns stay with the version of the first one, and go to the newest when it is retired."""
    agent_id = portal.scripted("echo=system").agent_id
    first = run(portal, agent_id)
    new_version(portal, agent_id, "Prompt of version 1.1.0, which takes over.")
    conversation = first["conversation_id"]

    def turn() -> dict[str, Any]:
        if source == "database":
            forget(first["run_id"], conversation)
        return run(portal, agent_id, conversation)

    row(tenants["acme"], first["run_id"])
    assert (turn()["version"], run(portal, agent_id)["version"]) == ("1.0.0", "1.1.0")
    retire(portal, agent_id, "1.0.0")
    moved = turn()
    assert (moved["version"], moved["output"]) == ("1.1.0", "Prompt of version 1.1.0, which takes over.")
    new_version(portal, agent_id, "Prompt of version 1.2.0.")
    assert turn()["version"] in ("1.1.0", "1.2.0")
    versions = {str(each.id): each.version for each in rows(tenants["acme"], agent_id=agent_id)}
    assert versions[first["run_id"]] == "1.0.0"

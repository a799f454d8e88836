"""Conversations: whose they are, what the model is shown of them, and where they are remembered."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from qualisys import tenancy
from tests.execution_log import forget, row
from tests.portal import Portal

Tenants = dict[str, tenancy.Tenant]


def say(
    portal: Portal,
    agent_id: str,
    text: str,
    conversation_id: object = None,
    tenant: str = "acme",
    role: str = "key",
) -> Any:
    body = {"input": text, **({"conversation_id": str(conversation_id)} if conversation_id else {})}
    with portal.client(tenant, role) as client:
        return client.post(f"/agents/{agent_id}/runs", json=body)


def test_conversation__unknown__not_found_and_no_provider_call(portal: Portal) -> None:
    agent = portal.scripted()
    answer = say(portal, agent.agent_id, "x", uuid4())
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert portal.provider.stats(agent.model)["requests"] == 0


@pytest.mark.parametrize(("tenant", "role"), [("acme", "dev"), ("acme", "admin"), ("globex", "key")])
@pytest.mark.parametrize("remembered", [True, False])
def test_conversation__of_somebody_else__not_found(
    portal: Portal, tenants: Tenants, tenant: str, role: str, remembered: bool
) -> None:
    agent = portal.scripted()
    run = say(portal, agent.agent_id, "mine").json()
    row(tenants["acme"], run["run_id"])
    if not remembered:
        forget(run["run_id"], run["conversation_id"])
    answer = say(portal, agent.agent_id, "yours?", run["conversation_id"], tenant, role)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    with portal.client(tenant, None) as client:
        assert client.get(f"/conversations/{run['conversation_id']}").status_code == 401


def test_conversation__of_another_agent__not_found(portal: Portal) -> None:
    run = say(portal, portal.scripted().agent_id, "x").json()
    assert say(portal, portal.scripted().agent_id, "x", run["conversation_id"]).status_code == 404


def test_conversation__of_another_tenant__cannot_be_read(portal: Portal, tenants: Tenants) -> None:
    run = say(portal, portal.scripted().agent_id, "x").json()
    row(tenants["acme"], run["run_id"])
    with portal.client("globex") as client:
        assert client.get(f"/conversations/{run['conversation_id']}").status_code == 404


@pytest.mark.parametrize("source", ["redis", "database"])
def test_conversation__continued__model_sees_the_last_ten_messages(
    portal: Portal, tenants: Tenants, source: str
) -> None:
    agent = portal.scripted("chunks=1,size=5")
    first = say(portal, agent.agent_id, "turn 0").json()
    conversation = first["conversation_id"]
    for number in range(1, 8):
        run = say(portal, agent.agent_id, f"turn {number}", conversation).json()
        assert run["conversation_id"] == conversation
    row(tenants["acme"], run["run_id"])
    if source == "database":
        forget(run["run_id"], conversation)
    say(portal, agent.agent_id, "last", conversation)
    system, *messages = portal.provider.last(agent.model)["body"]["messages"]
    said = [(message["role"], message["content"]) for message in messages]
    assert system["role"] == "system"
    assert said[:-1] == [
        turn for number in range(3, 8) for turn in (("user", f"turn {number}"), ("assistant", "0000 "))
    ]
    assert said[-1] == ("user", "last")


def test_conversation__begun_by_a_turn_that_failed__goes_on_without_it(
    portal: Portal, tenants: Tenants
) -> None:
    agent = portal.scripted("status=500,first=1,chunks=1,size=5")
    failed = say(portal, agent.agent_id, "lost").json()
    row(tenants["acme"], failed["run_id"])
    with portal.client() as client:
        conversation = client.get(f"/runs/{failed['run_id']}").json()["conversation_id"]
    assert say(portal, agent.agent_id, "one", conversation).status_code == 201
    assert say(portal, agent.agent_id, "two", conversation).status_code == 201
    said = [message["content"] for message in portal.provider.last(agent.model)["body"]["messages"][1:]]
    assert said == ["one", "0000 ", "two"]


def test_conversation__read__has_its_runs_oldest_first(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted().agent_id
    first = say(portal, agent, "How are you?\nFine.").json()
    second = say(portal, agent, "Two", first["conversation_id"]).json()
    for run in (first, second):
        row(tenants["acme"], run["run_id"])
    with portal.client() as client:
        found = client.get(f"/conversations/{first['conversation_id']}").json()
    assert [run["run_id"] for run in found["runs"]] == [first["run_id"], second["run_id"]]
    assert (found["agent_id"], found["title"], found["version"]) == (agent, "How are you?", "1.0.0")


def test_conversation__read_by_whom__as_the_runs_in_it(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted(required_roles=["owner", "admin"]).agent_id
    run = say(portal, agent, "x", role="owner").json()
    row(tenants["acme"], run["run_id"])
    statuses = {}
    for role in ("owner", "admin", "dev"):
        with portal.client(role=role) as client:
            statuses[role] = client.get(f"/conversations/{run['conversation_id']}").status_code
    assert statuses == {"owner": 200, "admin": 200, "dev": 404}

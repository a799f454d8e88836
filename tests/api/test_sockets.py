"""Sockets: the same runs and events as JSON messages, for who may, from pages that are ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.execution_log import row
from tests.portal import Portal, Process, wait_for
from tests.sse import Stream

Tenants = dict[str, Any]


@contextmanager
def socket(
    portal: Portal,
    path: str,
    tenant: str = "acme",
    role: str | None = "key",
    web: Process | None = None,
    **headers: str,
) -> Iterator[ClientConnection]:
    """Open a socket of a tenant's host."""
    with portal.client(tenant, role, web) as client:
        shown = {
            name: client.headers[name]
            for name in ("Host", "X-API-Key", "Authorization")
            if name in client.headers
        }
        port = client.base_url.port
    with connect(f"ws://127.0.0.1:{port}{path}", additional_headers={**shown, **headers}) as opened:
        yield opened


def ask(opened: ClientConnection, message: Any) -> None:
    opened.send(message if isinstance(message, str | bytes) else json.dumps(message))


def heard(opened: ClientConnection, *names: str) -> list[dict[str, Any]]:
    """Return the messages up to the first event with such a name."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["event"] not in names:
        found.append(json.loads(opened.recv(20)))
        assert set(found[-1]) == {"id", "event", "data"}
    return found


def text_of(messages: list[dict[str, Any]]) -> str:
    return "".join(message["data"]["text"] for message in messages if message["event"] == "delta")


def refused(portal: Portal, path: str, tenant: str = "acme", role: str | None = "key", **headers: str) -> int:
    """Return the status or the close code with which a socket is refused."""
    try:
        with socket(portal, path, tenant, role, None, **headers) as opened:
            opened.recv(10)
    except InvalidStatus as error:
        return error.response.status_code
    except ConnectionClosed as error:
        return error.rcvd.code if error.rcvd else 0
    raise AssertionError("the socket was accepted")


AGENT = "/ws/agents/baconsultant/"


def test_socket__nobody_signed_in__refused(portal: Portal) -> None:
    assert refused(portal, AGENT, role=None) in (403, 4403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://acme.localhost.evil.example", "http://globex.localhost"]
)
def test_socket__from_a_page_of_somebody_else__refused(portal: Portal, origin: str) -> None:
    assert refused(portal, AGENT, Origin=origin) in (403, 4403)


def test_socket__credential_of_another_tenant__refused(portal: Portal) -> None:
    host = f"{portal.host('globex')}:{portal.web().port}"
    assert refused(portal, AGENT, Host=host) in (403, 4403)


@pytest.mark.parametrize(
    "path", ["/ws/", "/ws/nothing/", "/ws/runs/01a1f87b-a436-7a8b-a961-43ebcc561166/", "/ws/runs/nonsense/"]
)
def test_socket__that_leads_nowhere__refused(portal: Portal, path: str) -> None:
    assert refused(portal, path) in (403, 404, 4404)


def test_socket__run_of_another_tenant__not_found(portal: Portal) -> None:
    agent = portal.scripted().agent_id
    with portal.client() as client:
        run_id = client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()["run_id"]
    assert refused(portal, f"/ws/runs/{run_id}/", "globex") in (403, 404, 4404)


def test_socket__role_that_may_not_run__told_so(portal: Portal) -> None:
    agent = portal.scripted(access={"owner": "full", "viewer": "read"})
    with socket(portal, f"/ws/agents/{agent.agent_id}/", role="viewer") as opened:
        ask(opened, {"type": "run", "input": "x"})
        (message,) = heard(opened, "run.failed")
    assert (message["id"], message["data"]["problem"]["code"]) == (None, "permission_denied")
    assert portal.provider.stats(agent.model)["requests"] == 0


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "7", '"run"', "{}", b"\x00", '{"type": 1}', '{"type": "jump"}', '{"type": "run"}', "[" * 5000,
     '{"type": "run", "input": 5}', '{"type": "run", "input": "x", "more": 1}', '{"type": "run", "input": "\\ud800"}',
     '{"type": "run", "input": "a\\u0000"}', '{"type": "run", "input": "x", "conversation_id": "no"}'],
)  # fmt: skip
def test_socket__message_that_means_nothing__refused_and_the_socket_lives(
    portal: Portal, message: str | bytes
) -> None:
    agent = portal.scripted()
    with socket(portal, f"/ws/agents/{agent.agent_id}/") as opened:
        ask(opened, message)
        (answer,) = heard(opened, "run.failed")
        assert answer["data"]["problem"]["code"] == "validation_error"
        assert portal.provider.stats(agent.model)["requests"] == 0
        ask(opened, {"type": "run", "input": "x"})
        assert heard(opened, "run.completed")[-1]["data"]["status"] == "completed"


def test_socket__second_run_while_one_is_under_way__conflict(portal: Portal) -> None:
    agent = portal.scripted("stall=1")
    with socket(portal, f"/ws/agents/{agent.agent_id}/") as opened:
        ask(opened, {"type": "run", "input": "x"})
        heard(opened, "delta")
        ask(opened, {"type": "run", "input": "x"})
        assert heard(opened, "run.failed")[-1]["data"]["problem"]["code"] == "conflict"
        ask(opened, {"type": "cancel"})
        assert heard(opened, "run.completed")[-1]["data"]["status"] == "cancelled"
    portal.provider.wait(lambda found: found["aborted"] == 1, agent.model)


def test_socket__runs__the_same_events_as_a_stream(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted("chunks=20")
    with socket(portal, f"/ws/agents/{agent.agent_id}/") as opened:
        ask(opened, {"type": "cancel"})
        ask(opened, {"type": "run", "input": "one"})
        messages = heard(opened, "run.completed")
        run_id = messages[0]["data"]["run_id"]
        with portal.client() as client, Stream(client, f"/runs/{run_id}/stream") as stream:
            streamed = list(stream)
        continued = {"type": "run", "input": "two", "conversation_id": messages[0]["data"]["conversation_id"]}
        ask(opened, continued)
        second = heard(opened, "run.completed")
    names = [message["event"] for message in messages]
    assert (names[0], names[-2:]) == ("run.started", ["usage", "run.completed"])
    assert text_of(messages) == messages[-1]["data"]["output"] != ""
    assert (messages[-1]["id"], messages[-1]["data"]) == (streamed[-1].id, streamed[-1].data)
    assert second[0]["data"]["conversation_id"] == messages[0]["data"]["conversation_id"]
    assert row(tenants["acme"], run_id).status == "success"


def test_socket__attached_in_another_process__follows_from_where_it_says(portal: Portal) -> None:
    agent = portal.scripted("chunks=100,interval=10").agent_id
    other = portal.web(1)
    with portal.client() as client, Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
        events = stream.take(5)
        path = f"/ws/runs/{events[0].run_id}/"
        with (
            socket(portal, path, web=other) as opened,
            socket(portal, f"{path}?after={events[-1].position}") as later,
        ):
            whole, rest = heard(opened, "run.completed"), heard(later, "run.completed")
        text = "".join(event.data["text"] for event in events if event.name == "delta")
    assert text_of(whole) == text + text_of(rest) == whole[-1]["data"]["output"]


@pytest.mark.parametrize("after", ["", "after=", "after=%C2%B2", "after=-1", "after=x", "after=" + "9" * 30])
def test_socket__position_that_is_none__counts_from_the_start(portal: Portal, after: str) -> None:
    agent = portal.scripted("chunks=3").agent_id
    with portal.client() as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()
    with socket(portal, f"/ws/runs/{run['run_id']}/?{after}") as opened:
        assert text_of(heard(opened, "run.completed")) == run["output"]


def test_socket__key_revoked__closed_within_five_seconds(portal: Portal) -> None:
    agent = portal.scripted("chunks=3000,interval=10")
    with portal.client(role="owner") as client:
        answer = client.post("/auth/logout")
        assert answer.status_code in (200, 204)
    portal.__dict__["_tokens"].pop(("acme", "owner"))
    with (
        socket(portal, f"/ws/agents/{agent.agent_id}/", role="owner") as opened,
        portal.client(role="owner") as client,
    ):
        ask(opened, {"type": "run", "input": "x"})
        run_id = heard(opened, "delta")[0]["data"]["run_id"]
        client.post("/auth/logout")
        with pytest.raises(ConnectionClosed):
            wait_for(lambda: opened.recv(10) is None, 8)
    portal.__dict__["_tokens"].pop(("acme", "owner"))
    with portal.client(role="admin") as client:
        client.post(f"/runs/{run_id}/cancel")

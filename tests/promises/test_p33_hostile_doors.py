"""Addresses, methods and sockets that nobody uses by mistake: refused in our shape, without a fault."""

from __future__ import annotations

import base64

import pytest

from tests import sockets
from tests.portal import Portal
from tests.promises.garbage import RAW, VALUES, refused

#: The id of nobody and nothing; fixed, since it is part of the tests' names.
NOBODY = "5b1f0e5c-0c3e-4c1b-9a57-0d3c2f6b7a10"

pytestmark = pytest.mark.promise


@pytest.fixture(scope="module")
def agent(portal: Portal) -> str:
    return portal.scripted("echo=user").agent_id


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/nothing", {}),
        ("/agents/a%2Fb", {}),
        ("/agents/a%00b", {}),
        ("/agents/%ff", {}),
        ("/agents/" + "x" * 8_000, {}),
        ("/agents/..%2f..%2fetc", {}),
        ("/agents?tag=%00", {}),
        ("/runs/x", {}),
        ("/runs?cursor=%00", {}),
        ("/runs?cursor=x", {}),
        ("/runs?cursor=" + base64.urlsafe_b64encode(b'["\\u0000"]').decode(), {}),
        ("/runs?cursor=" + base64.urlsafe_b64encode(b"[1e999]").decode(), {}),
        ("/runs?limit=x", {}),
        ("/runs?limit=-1", {}),
        ("/runs?limit=99999999999999999999", {}),
        (f"/runs/{NOBODY}/stream", {"Last-Event-ID": "x"}),
        (f"/runs/{NOBODY}/stream", {"Last-Event-ID": f"{NOBODY}-²"}),
        ("/conversations/1", {}),
        ("/agents/logreader/stream?input=%00", {}),
        ("/agents/logreader/stream?input=x&conversation_id=x", {}),
    ],
)
def test_address__hostile__refused(portal: Portal, path: str, extra: dict[str, str]) -> None:
    """P33: paths, queries and headers."""
    with portal.client("acme") as client:
        answer = client.get(path, headers=[(name.encode(), value.encode()) for name, value in extra.items()])
    assert refused(answer), (answer.status_code, answer.text[:300])


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT", "TRACE", "OPTIONS", "PROPFIND"])
def test_method__that_a_route_has_not__refused(portal: Portal, method: str) -> None:
    """P33: also a refusal in our shape, which says what is possible."""
    with portal.client("acme") as client:
        answer = client.request(method, "/agents")
    assert refused(answer)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "text", [*VALUES.values(), *(raw.decode("latin1")[:100_000] for raw in RAW.values())]
)
def test_socket__hostile_message__is_answered_and_stays_open(portal: Portal, agent: str, text: str) -> None:
    """P33: a socket refuses what the API refuses, and goes on."""
    with sockets.opened(portal, f"/ws/agents/{agent}/") as socket:
        for message in (
            text,
            f'{{"type": "run", "input": {text}}}',
            f'{{"type": "run", "input": "x", "parameters": {text}}}',
        ):
            socket.send(message)
            sockets.messages(socket)
        socket.send('{"type": "run", "input": "still here"}')
        assert sockets.messages(socket)[-1]["event"] == "run.completed"


@pytest.mark.parametrize("path", ["/ws/", "/ws/nothing/", "/ws/runs/x/", "/ws/agents//"])
def test_socket__to_nowhere__refused_without_a_fault(portal: Portal, path: str) -> None:
    """P33: not even an address that does not exist is a 500."""
    with pytest.raises(Exception, match="403"):
        sockets.opened(portal, path)

"""Input that nobody sends by mistake: never a 500, always a problem document, never a lost log row."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
import redis

from tests import sockets
from tests.connections import as_platform, column
from tests.portal import Portal, wait_for

pytestmark = pytest.mark.promise

PROBLEM = "application/problem+json"
RUN = {"input": "hello", "parameters": {"a": 1}, "files": [{"name": "a.txt", "content": "aGVsbG8="}]}
AGENT = {
    "agent_id": "hostile-agent", "name": "Name", "description": "Text", "system_prompt": "Prompt", "llm_model": "any",
    "llm_provider": "openai", "required_roles": ["owner", "dev"], "access": {"dev": "full"}, "tags": ["tag"],
    "approval_gates": [{"name": "review", "approvers": ["dev"], "condition": "true"}], "metadata": {"a": 1},
    "output_schema": {"type": "object"}, "input_types": ["txt"], "icon": "bot", "timeout_seconds": 60,
    "max_tokens_per_invocation": 1000, "type": "custom", "phase": "custom", "enabled": True,
}  # fmt: skip
VERSION = {
    "system_prompt": "Prompt",
    "changelog": "Log",
    "bump": "patch",
    "output_schema": {},
    "rollout_percentage": 0,
}

#: Every route that takes a body, with a good one; agents and runs are filled in.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/auth/token"): {"email": "a@b.example", "password": "x", "tenant": "acme", "otp": "1"},
    ("POST", "/auth/refresh"): {"refresh": "x"},
    ("POST", "/auth/logout"): {},
    ("POST", "/admin/agents"): AGENT,
    ("PUT", "/admin/agents/{agent_id}"): AGENT,
    ("POST", "/admin/agents/{agent_id}/versions"): VERSION,
    ("PUT", "/admin/agents/{agent_id}/versions/{version}"): {
        "rollout_percentage": 100,
        "status": "active",
        "reason": "x",
    },
    ("POST", "/agents/{agent_id}/runs"): RUN,
    ("POST", "/agents/{agent_id}/stream"): RUN,
    ("POST", "/runs/{run_id}/cancel"): {},
}

DEEP = '{"a":' * 1000 + "1" + "}" * 1000

#: What takes the place of a value, as JSON text.
VALUES: dict[str, str] = {
    "NUL": r'"a\u0000b"', "NUL in a key": r'{"a\u0000b": 1}', "lone surrogate": r'"a\ud800b"',
    "lone surrogate in a key": r'{"\udc00": 1}', "depth 1000": DEEP, "depth 101": '{"a":' * 101 + "1" + "}" * 101,
    "list of depth 1000": "[" * 1000 + "]" * 1000, "huge integer": "1" + "0" * 400, "huge number": "1e308",
    "beyond 64 bits": "1e40", "minus a lot": "-1e40", "true": "true", "null": "null", "list": "[]", "object": "{}",
    "empty": '""', "controls": r'"\u0001\u001b[31m\u202e\ufeff\ufffe"', "a megabyte": '"' + "x" * 1_000_000 + '"',
    "duplicate keys": '{"a": 1, "a": "\\u0000"}', "schema of itself": '{"$ref": "#"}', "foreign ref": '{"$ref": "file:///etc/passwd"}',
    "slow pattern": '{"type": "string", "pattern": "^(a+)+$"}', "bad pattern": '{"pattern": "(("}', "template": '"{{7*7}}${7*7}%s%n"',
}  # fmt: skip

#: Whole bodies that are none.
RAW: dict[str, bytes] = {
    "nothing": b"", "NUL": b"\x00", "NUL after": b"{}\x00", "not UTF-8": b'{"input": "\xff"}', "surrogate in UTF-8": b'{"input": "\xed\xa0\x80"}',
    "UTF-16": '{"input": "x"}'.encode("utf-16"), "byte order mark": b'\xef\xbb\xbf{"input": "x"}', "null": b"null", "a number": b"1",
    "a list": b"[]", "a text": b'"x"', "cut": b'{"input": "', "two": b"{}{}", "NaN": b'{"input": NaN}', "Infinity": b'{"a": -Infinity}',
    "1e999": b'{"input": 1e999}', "depth 1000": DEEP.encode(), "depth 100,000": b"[" * 100_000, "10 MB": b'{"input": "' + b"x" * 10_500_000 + b'"}',
    "17 MB": b'{"input": "' + b"x" * 17_000_000 + b'"}', "a form": b"input=hello&a=b", "XML": b"<?xml version='1.0'?><a/>",
    "100,000 keys": json.dumps({str(n): n for n in range(100_000)}).encode(),
}  # fmt: skip


@pytest.fixture(scope="module")
def agent(portal: Portal) -> str:
    return portal.scripted("echo=user").agent_id


@pytest.fixture
def client(portal: Portal, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """The platform's key for its routes, a tenant's for the others."""
    _, path = request.getfixturevalue("route")
    with portal.client(None if path.startswith("/admin") else "acme") as opened:
        yield opened


def address(path: str, agent: str) -> str:
    return path.format(agent_id=agent, version="1.0.0", run_id=uuid4())


def refused(answer: httpx.Response) -> bool:
    """Tell whether this is a refusal of ours: below 500, a problem document without a traceback."""
    return (
        400 <= answer.status_code < 500
        and answer.headers["content-type"] == PROBLEM
        and answer.json()["status"] == answer.status_code
        and "Traceback" not in answer.text
    )


def test_bodies__cover_every_route_that_takes_one(portal: Portal) -> None:
    """P33: a new route with a body joins this list."""
    with portal.client("acme") as client:
        paths = client.get("/openapi.json").json()["paths"]
    writes = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, operations in paths.items()
        for method in operations
        if method in ("post", "put", "patch")
    }
    assert writes == set(BODIES)


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
def test_body__that_is_none__refused(client: httpx.Client, agent: str, route: tuple[str, str]) -> None:
    """P33: every kind of garbage, under every content type."""
    method, path = route
    wrong = []
    for name, raw in RAW.items():
        for kind in (
            "application/json",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "x",
        ):
            if len(raw) > 1_000_000 and kind != "application/json":
                continue
            answer = client.request(method, address(path, agent), content=raw, headers={"Content-Type": kind})
            # A byte order mark is legal for some readers; routes without a body ignore theirs.
            if not refused(answer) and not (
                answer.status_code < 300 and name in ("byte order mark", "nothing")
            ):
                wrong.append((name, kind, answer.status_code, answer.text[:200]))
    assert wrong == []


def mutants(body: Any) -> Iterator[tuple[str, str]]:
    """The body with each hostile value in each place, as JSON text."""
    slot = f"slot{uuid4().hex}"
    for name in body:
        places = [{**body, name: slot}]
        if isinstance(body[name], dict) and body[name]:
            places.append({**body, name: {**body[name], "more": slot}})
        if isinstance(body[name], list) and body[name]:
            places.append({**body, name: [*body[name], slot]})
            if isinstance(body[name][0], dict):
                places += [{**body, name: [{**body[name][0], key: slot}]} for key in body[name][0]]
        for place in places:
            for what, value in VALUES.items():
                yield f"{name}: {what}", json.dumps(place).replace(f'"{slot}"', value)


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
def test_value__hostile_in_any_field__refused_or_stored(
    portal: Portal, client: httpx.Client, agent: str, route: tuple[str, str]
) -> None:
    """P33: what is taken can be read again, what is not is a problem document."""
    method, path = route
    target = portal.register() if path.startswith("/admin/agents/") else agent
    wrong = []
    for what, raw in mutants(BODIES[route]):
        text = raw.replace("hostile-agent", f"hostile-{uuid4().hex}")
        answer = client.request(method, address(path, target), content=text)
        if answer.status_code >= 300 and not refused(answer):
            wrong.append((what, answer.status_code, answer.text[:300]))
    assert wrong == []
    if path.startswith("/admin"):
        assert client.get("/admin/agents", params={"limit": 200}).status_code == 200


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/nothing", {}), ("/agents/a%2Fb", {}), ("/agents/a%00b", {}), ("/agents/%ff", {}), ("/agents/" + "x" * 8_000, {}),
        ("/agents/..%2f..%2fetc", {}), ("/runs/x", {}), ("/runs?cursor=%00", {}), ("/runs?cursor=x", {}), ("/runs?limit=x", {}),
        ("/runs?limit=99999999999999999999", {}), ("/runs?limit=-1", {}), ("/agents?tag=%00", {}), ("/conversations/1", {}),
        ("/runs?cursor=" + base64.urlsafe_b64encode(b'["\\u0000"]').decode(), {}),
        ("/runs?cursor=" + base64.urlsafe_b64encode(b"[1e999]").decode(), {}),
        (f"/runs/{uuid4()}/stream", {"Last-Event-ID": "x"}), (f"/runs/{uuid4()}/stream", {"Last-Event-ID": f"{uuid4()}-²"}),
        ("/agents/logreader/stream?input=%00", {}), ("/agents/logreader/stream?input=x&conversation_id=x", {}),
    ],
)  # fmt: skip
def test_address__hostile__refused(portal: Portal, path: str, extra: dict[str, str]) -> None:
    """P33: paths, queries and headers."""
    with portal.client("acme") as client:
        answer = client.get(path, headers={name: value.encode() for name, value in extra.items()})
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


ANSWERS = {
    "NUL": "a\x00b", "a huge number": '{"a": 1e40}', "deep": '{"a":' * 300 + "1" + "}" * 300,
    "very deep": DEEP, "NUL inside": r'{"a": "\u0000"}', "NUL in a key": r'{"\u0000": 1}',
    "lone surrogate": r'{"a": "\ud800"}', "terminal escapes": "\x1b[2J\x07\u202e\ufeff", "a duplicate": '{"a": 1, "a": 2}',
}  # fmt: skip


@pytest.mark.parametrize("schema", [{}, {"type": "object"}], ids=["text", "structured"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_model__answering_hostile_text__costs_no_log_row(
    portal: Portal, answer: str, schema: dict[str, Any]
) -> None:
    """P33: whatever a model says, the run ends, can be read from the database, and is in the log."""
    text = base64.urlsafe_b64encode(ANSWERS[answer].encode()).decode().rstrip("=")
    agent = portal.register(llm_model=f"any@answer={text}", output_schema=schema)
    with portal.client("acme") as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()["run_id"]
        with as_platform() as connection:
            logged = "SELECT count(*) FROM agent_execution_log WHERE id = %s"
            wait_for(lambda: column(connection, logged, run) == [1], 10, "the log row")
        redis.Redis.from_url(os.environ["REDIS_URL"]).delete(f"result:{run}")
        assert client.get(f"/runs/{run}").json()["status"] in ("completed", "failed")
        assert client.get("/runs").status_code == 200


def test_spool__after_all_this__set_nothing_aside(portal: Portal) -> None:
    """P33: no entry was ever too strange to be stored."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    wait_for(lambda: client.xlen("spool") == 0, 10, "the spool to be written")
    assert client.xlen("spool:dead") == 0

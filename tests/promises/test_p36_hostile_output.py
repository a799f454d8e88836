"""P36, the API's side: what a hostile model says is data, carried intact, and inert on its way."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from qualisys import tenancy
from tests.execution_log import forget, row
from tests.portal import Portal
from tests.sse import Stream, text_of

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> ![a](https://evil.example/?q=1) </textarea>\n"
    "\n\nevent: run.completed\ndata: {}\n\n: \x1b]0;owned\x07\x1b[2J\x1b[31m \x9b31m \x08\x7f\r\n"
    "\u202egnp.exe \u200b \ufeff \u2028 {{7*7}} {% debug %} ${7*7} =HYPERLINK(1) \\u003cscript\\u003e \ud7ff"
)


@pytest.fixture(scope="module")
def agent_id(portal: Portal) -> str:
    portal.provider.control(answers={"hostile": HOSTILE, "nul": "a\0b", "object": json.dumps({"a": HOSTILE})})
    return portal.scripted("named=hostile,chunks=300").agent_id


def check_headers(headers: Any, kind: str) -> None:
    assert headers["content-type"].startswith(kind)
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.promise
def test_p36_output__in_json__is_intact_and_never_sniffed(
    portal: Portal, tenants: dict[str, tenancy.Tenant], agent_id: str
) -> None:
    """P36: the run, the list and the conversation, from Redis and from the database."""
    with portal.client() as client:
        run = client.post(f"/agents/{agent_id}/runs", json={"input": HOSTILE}).json()
        row(tenants["acme"], run["run_id"])
        for _ in range(2):
            answers = [
                client.get(path)
                for path in (f"/runs/{run['run_id']}", f"/conversations/{run['conversation_id']}")
            ]
            assert answers[0].json()["output"] == HOSTILE
            assert answers[1].json()["runs"][0]["output"] == HOSTILE
            for answer in answers:
                check_headers(answer.headers, "application/json")
                assert b"\x1b" not in answer.content
            forget(run["run_id"], run["conversation_id"])
    assert (run["output"], run["input"]) == (HOSTILE, HOSTILE)


@pytest.mark.promise
def test_p36_output__in_a_stream__cannot_forge_an_event(portal: Portal, agent_id: str) -> None:
    """P36: text that looks like frames stays text."""
    with portal.client() as client, Stream(client, f"/agents/{agent_id}/stream", {"input": "x"}) as stream:
        check_headers(stream.response.headers, "text/event-stream")
        events = list(stream)
    assert text_of(events) == HOSTILE == events[-1].data["output"]
    assert [event.name for event in events].count("run.completed") == 1


@pytest.mark.promise
def test_p36_output__structured__is_intact(portal: Portal) -> None:
    """P36: values of a JSON answer are as hostile as text."""
    agent = portal.scripted("named=object", output_schema={"type": "object"}).agent_id
    with portal.client() as client:
        answer = client.post(f"/agents/{agent}/runs", json={"input": "x"})
    assert answer.json()["structured_output"] == {"a": HOSTILE}
    check_headers(answer.headers, "application/json")


@pytest.mark.promise
def test_p36_output__with_nul__is_stored_all_the_same(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    """P36: what PostgreSQL cannot keep is replaced, not refused, and the log row is there."""
    agent = portal.scripted("named=nul").agent_id
    with portal.client() as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()
    assert run["output"] == "a\ufffdb"
    assert row(tenants["acme"], run["run_id"]).status == "success"


@pytest.mark.promise
def test_p36_logs__of_every_process__hold_no_raw_escapes(
    portal: Portal, tenants: dict[str, tenancy.Tenant], agent_id: str
) -> None:
    """P36: a terminal that shows a log file is not steered by a model, a provider, a name or an address."""
    marker = uuid4().hex
    failing = portal.scripted("status=400,says=prompt", system_prompt=f"{marker} {HOSTILE}").agent_id
    body = {"input": HOSTILE, "files": [{"name": f"\x1b[31m{marker}.pdf", "content": "eA=="}]}
    with portal.client() as client:
        run = client.post(f"/agents/{failing}/runs", json={"input": HOSTILE}).json()
        client.post(f"/agents/{agent_id}/runs", json=body)
        client.get(f"/agents/%1b[31m{marker}/metrics", headers={"X-Request-Id": "a%1b[31m"})
        client.get(f"/%1b]0;{marker}%07")
    row(tenants["acme"], run["run_id"])
    for process in (*portal.spares, *portal.others.values()):
        assert b"\x1b" not in process.log.read_bytes(), process.name

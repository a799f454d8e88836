"""P12: one `Idempotency-Key`, many times at once, over two processes: one execution, identical answers."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from qualisys import tenancy
from tests.execution_log import row, rows
from tests.portal import Portal, Scripted

AT_ONCE = 64


def together(
    portal: Portal, agent: Scripted, key: str, bodies: list[Any], **headers: str
) -> list[httpx.Response]:
    """Post every body at once under one key, alternately to two web processes."""

    async def post() -> list[httpx.Response]:
        clients = [httpx.AsyncClient(headers=portal.client(web=portal.web(index)).headers,
                                     base_url=portal.client(web=portal.web(index)).base_url, timeout=60,
                                     limits=httpx.Limits(max_connections=AT_ONCE))
                   for index in (0, 1)]  # fmt: skip
        path, sent = f"/agents/{agent.agent_id}/runs", {"Idempotency-Key": key, **headers}
        calls = [clients[at % 2].post(path, json=body, headers=sent) for at, body in enumerate(bodies)]
        try:
            return await asyncio.gather(*calls)
        finally:
            for client in clients:
                await client.aclose()

    portal.web(1)
    return asyncio.run(post())


@pytest.mark.promise
@pytest.mark.parametrize("script", ["chunks=5,latency=300", "chunks=1", "status=500,latency=300", "hang=1"])
def test_p12_key__used_64_times_at_once__runs_once_and_answers_the_same(
    portal: Portal, tenants: dict[str, tenancy.Tenant], script: str
) -> None:
    """P12: a run that succeeds, and one that fails, happens once and everybody gets its answer."""
    agent = portal.scripted(script, timeout_seconds=1)
    answers = together(portal, agent, uuid4().hex, [{"input": "x"}] * AT_ONCE)
    assert portal.provider.stats(agent.model)["requests"] == 1
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert {answer.headers.get("Location") for answer in answers} == {answers[0].headers.get("Location")}
    run_id = answers[0].json()["run_id"]
    row(tenants["acme"], run_id)
    assert [str(each.id) for each in rows(tenants["acme"], agent_id=agent.agent_id)] == [run_id]


@pytest.mark.promise
def test_p12_key__with_a_changed_body__refused(portal: Portal) -> None:
    """P12: of two bodies under one key the first one runs, the other is refused, at once and later."""
    agent, key = portal.scripted("latency=300"), uuid4().hex
    bodies = [{"input": "one"}, {"input": "two"}] * 8
    answers = together(portal, agent, key, bodies)
    assert sorted(answer.status_code for answer in answers) == [201] * 8 + [409] * 8
    assert {answer.json().get("code") for answer in answers} == {None, "conflict"}
    again = together(portal, agent, key, [{"input": "three"}])
    assert (again[0].status_code, again[0].json()["code"]) == (409, "conflict")
    assert portal.provider.stats(agent.model)["requests"] == 1


@pytest.mark.promise
def test_p12_key__asked_for_in_the_background__queues_one_run(portal: Portal) -> None:
    """P12: a 202 is the same 202 for everyone."""
    agent = portal.scripted()
    answers = together(portal, agent, uuid4().hex, [{"input": "x"}] * 16, Prefer="respond-async")
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    portal.provider.wait(lambda found: found["completed"] == 1, agent.model, 30)
    time.sleep(0.3)
    assert portal.provider.stats(agent.model)["requests"] == 1


@pytest.mark.promise
def test_p12_key__of_somebody_else__is_another_key(portal: Portal) -> None:
    """P12: keys are the caller's own; a colleague's or another tenant's never shares an answer."""
    agent, key = portal.scripted(), uuid4().hex
    found = set()
    for tenant, role in (("acme", "key"), ("acme", "dev"), ("globex", "key")):
        with portal.client(tenant, role) as client:
            path = f"/agents/{agent.agent_id}/runs"
            answer = client.post(path, json={"input": "x"}, headers={"Idempotency-Key": key})
        found.add(answer.json()["run_id"])
    assert len(found) == 3


@pytest.mark.promise
@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ünï"])
def test_p12_key__that_is_none__refused(portal: Portal, key: str) -> None:
    """P12: a key that cannot be told apart is not silently ignored."""
    agent = portal.scripted()
    with portal.client() as client:
        path, headers = f"/agents/{agent.agent_id}/runs", {"Idempotency-Key": key.encode()}
        answer = client.post(path, json={"input": "x"}, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert portal.provider.stats(agent.model)["requests"] == 0

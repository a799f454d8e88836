"""One key, one effect, on routes that create: P12 shows the same for runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from qualisys import tenancy
from tests.people import key_of, somebody
from tests.portal import Portal

Tenants = dict[str, tenancy.Tenant]


def body(**changes: Any) -> dict[str, Any]:
    agent_id = f"once-{uuid4().hex[:10]}"
    return {"agent_id": agent_id, "name": "Once", "system_prompt": "x", "required_roles": ["dev"], **changes}


def register(client: httpx.Client, key: str, what: dict[str, Any]) -> httpx.Response:
    return client.post("/admin/agents", json=what, headers={"Idempotency-Key": key})


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "é"])
def test_key__malformed__refused(portal: Portal, key: str) -> None:
    with portal.client(None) as client:
        answer = client.post("/admin/agents", json=body(), headers={b"Idempotency-Key": key.encode()})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_key__with_another_body__conflict(portal: Portal) -> None:
    key = uuid4().hex
    with portal.client(None) as client:
        assert register(client, key, body()).status_code == 201
        second = register(client, key, body())
    assert (second.status_code, second.json()["code"]) == (409, "conflict")


def test_key__on_another_route__conflict(portal: Portal) -> None:
    key, what = uuid4().hex, body()
    with portal.client(None) as client:
        assert register(client, key, what).status_code == 201
        other = client.post(
            f"/admin/agents/{what['agent_id']}/versions", json=what, headers={"Idempotency-Key": key}
        )
    assert other.status_code == 409


def test_key__again__gets_the_first_answer(portal: Portal) -> None:
    key, what = uuid4().hex, body()
    with portal.client(None) as client:
        first, again = register(client, key, what), register(client, key, what)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]


def test_key__by_many_at_once__registers_once(portal: Portal) -> None:
    key, what = uuid4().hex, body()

    def once(_: int) -> int:
        with portal.client(None) as client:
            return register(client, key, what).status_code

    with ThreadPoolExecutor(16) as together:
        assert set(together.map(once, range(16))) == {201}


def test_key__after_a_refusal__may_be_used_with_a_mended_body(portal: Portal) -> None:
    key = uuid4().hex
    with portal.client(None) as client:
        assert register(client, key, body(name="")).status_code == 422
        mended = register(client, key, body())
    assert mended.status_code in (201, 409), "either the key is free again, or it says that it is not"


def test_key__of_another_person__is_another_key(portal: Portal, tenants: Tenants) -> None:
    key = uuid4().hex
    other = key_of(None, somebody(platform_role="platform_admin").user)[1]
    with portal.client(None) as mine, portal.client(None, None, None, **{"X-API-Key": other}) as theirs:
        answers = [register(client, key, body()).status_code for client in (mine, theirs)]
    assert answers == [201, 201]


def test_key__on_a_read__is_not_looked_at(portal: Portal) -> None:
    with portal.client(None) as client:
        answers = [client.get("/admin/agents", headers={"Idempotency-Key": "a b"}).status_code for _ in "ab"]
    assert answers == [200, 200]

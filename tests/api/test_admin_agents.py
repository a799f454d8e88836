"""Administration of agents and versions by API (AC4 and AC6 of story 6.5a)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.portal import Portal, wait_for


def body(**changes: Any) -> dict[str, Any]:
    agent_id = f"admin-{uuid4().hex[:10]}"
    return {
        "agent_id": agent_id,
        "name": "Admin",
        "system_prompt": "Do it.",
        "required_roles": ["dev"],
        **changes,
    }


@pytest.fixture(scope="module")
def client(portal: Portal) -> Iterator[httpx.Client]:
    with portal.client(None) as opened:
        yield opened


@pytest.fixture
def agent(portal: Portal) -> str:
    return portal.register(required_roles=["dev"], llm_model="any@chunks=3")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"agent_id": "Not A Slug"}, "agent_id"),
        ({"agent_id": "a--b"}, "agent_id"),
        ({"name": ""}, "name"),
        ({"system_prompt": "x" * 50_001}, "system_prompt"),
        ({"system_prompt": " "}, "system_prompt"),
        ({"max_tokens_per_invocation": 99}, "max_tokens_per_invocation"),
        ({"max_tokens_per_invocation": 200_001}, "max_tokens_per_invocation"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"llm_provider": "nobody"}, "llm_provider"),
        ({"required_roles": ["boss"]}, "required_roles"),
        ({"required_roles": []}, "required_roles"),
        ({"output_schema": {"type": "nothing"}}, "output_schema"),
        ({"version": "2.0.0"}, "version"),
        ({"approval_gates": [{"name": "x", "approvers": ["boss"]}]}, "approval_gates.0.approvers"),
        ({"color": "red"}, "color"),
    ],
)
def test_register__against_a_rule__refused_by_field(
    client: httpx.Client, changes: dict[str, Any], field: str
) -> None:
    what = body(**changes)
    answer = client.post("/admin/agents", json=what)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert field in {error["field"] for error in answer.json()["errors"]}
    assert client.get(f"/admin/agents/{what['agent_id']}").status_code == 404


def test_register__a_taken_id__conflict(client: httpx.Client, agent: str) -> None:
    answer = client.post("/admin/agents", json=body(agent_id=agent))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_register__one_id_by_many_at_once__exists_once(portal: Portal) -> None:
    what = body()

    def once(_: int) -> int:
        with portal.client(None) as own:
            return own.post("/admin/agents", json=what).status_code

    with ThreadPoolExecutor(8) as together:
        assert sorted(together.map(once, range(8))) == [201] + [409] * 7


def test_register__starts_at_1_0_0_for_everyone(client: httpx.Client) -> None:
    what = body(version="1.0.0", output_schema={"type": "object"}, max_tokens_per_invocation=100, tags=["a"])
    shown = client.post("/admin/agents", json=what).json()
    assert (shown["version"], shown["enabled"], shown["first_execution_at"]) == ("1.0.0", True, None)
    assert {name: shown[name] for name in what} == what
    (version,) = client.get(f"/admin/agents/{what['agent_id']}/versions").json()["items"]
    assert (version["version"], version["rollout_percentage"], version["status"]) == ("1.0.0", 100, "active")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/versions"), ("POST", "/versions")],
)
def test_agent__that_is_none__not_found(client: httpx.Client, method: str, path: str) -> None:
    bodies = {"PUT": body(agent_id="nothing"), "POST": {"system_prompt": "x", "changelog": "x"}}
    answer = client.request(method, f"/admin/agents/nothing{path}", json=bodies.get(method))
    assert (answer.status_code, answer.json()["code"]) == (404, "agent_not_found")


@pytest.mark.parametrize(
    "change", [{"system_prompt": "Other."}, {"output_schema": {"type": "array"}}, {"agent_id": "other"}]
)
def test_update__of_what_a_version_carries__refused_with_the_way(
    client: httpx.Client, agent: str, change: dict[str, Any]
) -> None:
    answer = client.put(f"/admin/agents/{agent}", json={"name": "New", "required_roles": ["dev"], **change})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["rule"], error["field"]) == (422, "immutable", next(iter(change)))
    assert f"POST /api/v1/admin/agents/{agent}/versions" in answer.json()["detail"]
    assert client.get(f"/admin/agents/{agent}").json()["name"] != "New"


@pytest.mark.parametrize("tag", ['"stale"', "stale", '""', 'W/"x"'])
def test_update__with_a_stale_tag__precondition_failed(client: httpx.Client, agent: str, tag: str) -> None:
    what = {"name": "New", "required_roles": ["dev"]}
    answer = client.put(f"/admin/agents/{agent}", json=what, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


def test_update__twice_with_the_tag_that_was_read__only_the_first_wins(
    client: httpx.Client, agent: str
) -> None:
    tag = client.get(f"/admin/agents/{agent}").headers["ETag"]
    what = {"name": "New", "required_roles": ["dev"]}
    first = client.put(f"/admin/agents/{agent}", json=what, headers={"If-Match": tag})
    second = client.put(f"/admin/agents/{agent}", json={**what, "name": "Newer"}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert first.headers["ETag"] != tag
    again = client.put(f"/admin/agents/{agent}", json=what, headers={"If-Match": first.headers["ETag"]})
    assert again.status_code == 200


def test_update__by_eight_at_once_with_one_tag__lets_one_through(
    portal: Portal, client: httpx.Client, agent: str
) -> None:
    tag = client.get(f"/admin/agents/{agent}").headers["ETag"]

    def change(number: int) -> int:
        what = {"name": f"New {number}", "required_roles": ["dev"]}
        with portal.client(None) as own:
            return own.put(f"/admin/agents/{agent}", json=what, headers={"If-Match": tag}).status_code

    with ThreadPoolExecutor(8) as together:
        assert sorted(together.map(change, range(8))) == [200] + [412] * 7


def test_update__with_the_body_that_was_read__changes_nothing(client: httpx.Client, agent: str) -> None:
    shown = client.get(f"/admin/agents/{agent}").json()
    writable = {k: v for k, v in shown.items() if k not in ("first_execution_at", "created_at", "updated_at")}
    again = client.put(f"/admin/agents/{agent}", json=writable)
    assert again.status_code == 200, again.text
    assert {k: v for k, v in again.json().items() if k != "updated_at"} == {
        k: v for k, v in shown.items() if k != "updated_at"
    }


def test_disable_and_enable__is_the_kill_switch(portal: Portal, client: httpx.Client, agent: str) -> None:
    def runs() -> int:
        with portal.client("acme", "dev") as member:
            return member.post(f"/agents/{agent}/runs", json={"input": "x"}).status_code

    assert runs() == 201
    assert client.delete(f"/admin/agents/{agent}", params={"reason": "drill"}).status_code == 204
    assert runs() == 404
    assert client.get(f"/admin/agents/{agent}").json()["enabled"] is False, "nothing is deleted"
    shown = client.get(f"/admin/agents/{agent}").json()
    writable = {k: v for k, v in shown.items() if k not in ("first_execution_at", "created_at", "updated_at")}
    assert client.put(f"/admin/agents/{agent}", json={**writable, "enabled": True}).status_code == 200
    wait_for(lambda: runs() == 201, 3, "the agent to be back")
    assert client.get(f"/admin/agents/{agent}").json()["first_execution_at"] or wait_for(
        lambda: client.get(f"/admin/agents/{agent}").json()["first_execution_at"], 5, "the first execution"
    )


def test_list__page_by_page__is_complete_and_in_order(client: httpx.Client) -> None:
    for _ in range(3):
        client.post("/admin/agents", json=body())
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/admin/agents", params={"limit": 2, "cursor": cursor}).json()
        seen += [agent["agent_id"] for agent in page["items"]]
        cursor = page["next_cursor"]
    assert seen == sorted(set(seen))
    assert len(seen) >= 10
    assert {"baconsultant", "logreader"} <= set(seen)


@pytest.mark.parametrize(
    "changes",
    [{"changelog": ""}, {"bump": "huge"}, {"rollout_percentage": 101}, {"rollout_percentage": -1},
     {"rollout_percentage": "10"}, {"system_prompt": ""}, {"output_schema": {"type": "x"}}, {"surprise": 1}],
)  # fmt: skip
def test_version__against_a_rule__refused(client: httpx.Client, agent: str, changes: dict[str, Any]) -> None:
    what = {"system_prompt": "Next.", "changelog": "Next.", **changes}
    answer = client.post(f"/admin/agents/{agent}/versions", json=what)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


def test_version__new_one__reaches_a_tenth_unless_said(client: httpx.Client, agent: str) -> None:
    made = client.post(
        f"/admin/agents/{agent}/versions", json={"system_prompt": "Next.", "changelog": "Next."}
    ).json()
    assert (made["version"], made["rollout_percentage"], made["changelog"]) == ("1.1.0", 10, "Next.")
    assert made["author"].startswith("key:")
    assert client.get(f"/admin/agents/{agent}").json()["version"] == "1.0.0", "the fully rolled out one"
    client.put(f"/admin/agents/{agent}/versions/1.1.0", json={"rollout_percentage": 100, "reason": "good"})
    shown = client.get(f"/admin/agents/{agent}").json()
    assert (shown["version"], shown["system_prompt"]) == ("1.1.0", "Next.")


@pytest.mark.parametrize("version", ["9.9.9", "1.0", "x", "%2e%2e"])
def test_version__that_is_none__not_found(client: httpx.Client, agent: str, version: str) -> None:
    answer = client.put(f"/admin/agents/{agent}/versions/{version}", json={"rollout_percentage": 100})
    assert answer.status_code == 404


def test_version__the_last_stable_one__is_not_taken_back(client: httpx.Client, agent: str) -> None:
    for change in ({"rollout_percentage": 0}, {"status": "retired"}):
        answer = client.put(f"/admin/agents/{agent}/versions/1.0.0", json=change)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")

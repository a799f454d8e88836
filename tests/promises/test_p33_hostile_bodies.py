"""Bodies that nobody sends by mistake, at every route: never a 500, always a problem document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.conftest import FULL
from tests.portal import Portal
from tests.promises.garbage import RAW, VALUES, refused

pytestmark = pytest.mark.promise

RUN = {"input": "hello", "parameters": {"a": 1}, "files": [{"name": "a.txt", "content": "aGVsbG8="}]}
AGENT = {
    "agent_id": "hostile-agent", "name": "Name", "description": "Text", "system_prompt": "Prompt", "llm_model": "any",
    "llm_provider": "openai", "required_roles": ["owner", "dev"], "access": {"dev": "full"}, "tags": ["tag"],
    "approval_gates": [{"name": "review", "approvers": ["dev"], "condition": "true"}], "metadata": {"a": 1},
    "output_schema": {"type": "object"}, "input_types": ["txt"], "icon": "bot", "timeout_seconds": 60,
    "max_tokens_per_invocation": 1000, "type": "custom", "phase": "custom", "enabled": True,
    "fallbacks": [{"provider": "openai", "model": "other"}],
}  # fmt: skip
VERSION = {
    "system_prompt": "Prompt",
    "changelog": "Log",
    "bump": "patch",
    "output_schema": {},
    "rollout_percentage": 0,
}

CONFIG = {
    "custom_prompt": "Number every requirement and keep the wording of the standard throughout.",
    "prompt_override_mode": "append", "acknowledge_replace": False, "custom_output_template": {"a": 1},
    "approval_workflow_override": {"gates": [{"name": "legal", "approvers": ["owner"]}]}, "max_tokens_override": 100,
    "llm_provider_override": "openai", "llm_model_override": "any", "pinned_version": "1.0.0", "custom_tags": ["tag"],
    "metadata": {"a": 1}, "reason": "x", "fallbacks": "any",
}  # fmt: skip

#: Wide enough that other tests of this file do not notice.
LIMITS = {
    "daily_tokens": 10**9, "monthly_tokens": 10**9, "daily_cost": 10_000.5, "monthly_cost": 10_000,
    "runs_per_minute": 600, "concurrent_runs": 50, "reason": "x",
}  # fmt: skip
GIVEN = {
    **LIMITS, "first_token_seconds": 60, "gap_seconds": 60, "breaker_failures": 1000, "breaker_window_seconds": 60,
    "breaker_share": 0.5, "breaker_cooldown_seconds": 5,
}  # fmt: skip
PRICE = {
    "provider": "openai",
    "model": "m",
    "input_price": 1,
    "output_price": 2.5,
    "max_output_tokens": 10,
    "source": "x",
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
    ("POST", "/admin/agents/{agent_id}/circuit-breaker/reset"): {"reason": "x"},
    ("PUT", "/admin/limits"): {**GIVEN, "guard_percentage": 100},
    ("PUT", "/admin/agents/{agent_id}/limits"): GIVEN,
    ("PUT", "/admin/tenants/{slug}/limits"): GIVEN,
    ("PUT", "/admin/tenants/{slug}/agents/{agent_id}/limits"): GIVEN,
    ("PUT", "/admin/prices"): {"items": [PRICE], "reason": "x"},
    ("POST", "/admin/stops"): {"provider": "vllm", "model": "hostile-agent", "reason": "x"},
    ("PUT", "/tenant/limits"): LIMITS,
    ("PUT", "/tenant/agents/{agent_id}/limits"): LIMITS,
    ("PUT", "/tenant/agents/{agent_id}/config"): CONFIG,
    ("POST", "/tenant/agents/{agent_id}/config/preview"): CONFIG,
    ("POST", "/tenant/agents/{agent_id}/config/trial"): {"config": CONFIG, "input": "x"},
    ("POST", "/tenant/agents/{agent_id}/config/restore"): {"revision": 1, "reason": "x"},
    ("POST", "/tenant/agents/{agent_id}/config/accept"): {},
    ("POST", "/agents/{agent_id}/runs"): RUN,
    ("POST", "/agents/{agent_id}/stream"): RUN,
    ("POST", "/runs/{run_id}/cancel"): {},
}


def of_each_shape() -> list[tuple[str, str]]:
    """The routes that take a body of another shape than those before them."""
    shapes: dict[frozenset[str], tuple[str, str]] = {}
    for route, body in BODIES.items():
        shapes.setdefault(frozenset(body), route)
    return list(shapes.values())


TYPES = ["application/json", "multipart/form-data"]
if FULL:
    TYPES += [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "x",
        "application/json; charset=utf-7",
    ]


@pytest.fixture(scope="module")
def agent(portal: Portal) -> str:
    return portal.scripted("echo=user").agent_id


@pytest.fixture(scope="module", autouse=True)
def put_back(portal: Portal) -> Iterator[None]:
    """What holds for everybody is as it was when the file has been through."""
    with portal.client(None) as platform, portal.client("acme") as tenant:
        prices = platform.get("/admin/prices").json()["items"]
        yield
        platform.put("/admin/limits", json={}).raise_for_status()
        platform.put("/admin/prices", json={"items": prices}).raise_for_status()
        tenant.put("/tenant/limits", json={}).raise_for_status()
        for each in platform.get("/admin/stops").json()["items"]:
            platform.delete(f"/admin/stops/{each['id']}").raise_for_status()


@pytest.fixture
def client(portal: Portal, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """The platform's key for its routes, a tenant's for the others."""
    _, path = request.getfixturevalue("route")
    with portal.client(None if path.startswith("/admin") else "acme") as opened:
        yield opened


def address(path: str, agent: str) -> str:
    return path.format(agent_id=agent, version="1.0.0", run_id=uuid4(), slug="spare_0")


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


@pytest.mark.parametrize("route", BODIES if FULL else of_each_shape(), ids=" ".join)
def test_body__that_is_none__refused(client: httpx.Client, agent: str, route: tuple[str, str]) -> None:
    """P33: every kind of garbage, under every content type."""
    method, path = route
    wrong = []
    for name, raw in RAW.items():
        for kind in TYPES[:1] if len(raw) > 1_000_000 else TYPES:
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


@pytest.mark.parametrize("route", BODIES if FULL else of_each_shape(), ids=" ".join)
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

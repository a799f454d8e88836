"""Limits, prices and stops by API: who may set what, what is refused, and that it holds within a second."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from agents.limits.models import Limits
from agents.models import ModelPrice, ModelStop
from qualisys import tenancy
from tests.people import key_of, somebody
from tests.portal import ROOT, Portal, wait_for

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
HOME = "spare_2"


@pytest.fixture(scope="module")
def platform(portal: Portal) -> Iterator[httpx.Client]:
    with portal.client(None) as client:
        yield client


@pytest.fixture(scope="module")
def owner(portal: Portal, tenants: Tenants) -> Iterator[httpx.Client]:
    """The API for an owner of the tenant of this file."""
    with as_member(portal, tenants, "owner") as client:
        yield client


@pytest.fixture(autouse=True)
def left_as_found(tenants: Tenants) -> Iterator[None]:
    """No limit outlives its test."""
    yield
    with tenancy.use(tenancy.platform("tests")):
        Limits.objects.filter(tenant_id=tenants[HOME].id).delete()
        Limits.objects.filter(tenant_id=None, agent=None).delete()


@pytest.fixture
def agent(portal: Portal) -> str:
    return portal.register(max_tokens_per_invocation=1000)


def as_member(portal: Portal, tenants: Tenants, role: str, scopes: list[str] | None = None) -> httpx.Client:
    client = portal.client(HOME, role=None)
    person = somebody(tenants[HOME], role)
    client.headers["X-API-Key"] = key_of(tenants[HOME], person.user, scopes=scopes)[1]
    return client


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and the first failing field of a refusal."""
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    shown = answer.json()
    return answer.status_code, shown["code"], (shown.get("errors") or [{"field": ""}])[0]["field"]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["dev", "qa_automation", "viewer"])
def test_own_limits__by_a_member_who_is_no_admin__refused(
    portal: Portal, tenants: Tenants, role: str
) -> None:
    with as_member(portal, tenants, role) as client:
        for path in ("/tenant/limits", "/tenant/agents/baconsultant/limits"):
            answers = [client.get(path), client.put(path, json={"daily_tokens": 1})]
            assert [refused(answer)[:2] for answer in answers] == [(403, "permission_denied")] * 2


def test_own_limits__by_a_key_for_running__refused_and_by_one_for_configuring__shown(
    portal: Portal, tenants: Tenants
) -> None:
    with as_member(portal, tenants, "owner", ["runs:write"]) as client:
        assert client.get("/tenant/limits").status_code == 403
    with as_member(portal, tenants, "owner", ["agents:configure"]) as client:
        assert client.put("/tenant/limits", json={}).status_code == 200


def test_platforms_limits__by_a_tenant__refused(owner: httpx.Client, agent: str) -> None:
    for path in ("/admin/limits", f"/admin/agents/{agent}/limits", f"/admin/tenants/{HOME}/limits",
                 f"/admin/tenants/{HOME}/agents/{agent}/limits", "/admin/prices", "/admin/stops"):  # fmt: skip
        assert owner.get(path).status_code == 403


def test_platforms_limits__by_support__shown_and_not_set(
    portal: Portal, tenants: Tenants, agent: str
) -> None:
    with portal.client(None, role=None) as client:
        client.headers["X-API-Key"] = key_of(None, somebody(platform_role="platform_support").user)[1]
        for path in ("/admin/limits", f"/admin/tenants/{HOME}/agents/{agent}/limits"):
            assert client.get(path).status_code == 200
            assert client.put(path, json={}).status_code == 403
        assert (client.get("/admin/prices").status_code, client.get("/admin/stops").status_code) == (200, 200)
        assert client.put("/admin/prices", json={"items": []}).status_code == 403
        assert client.post("/admin/stops", json={"provider": "vllm", "reason": "x"}).status_code == 403
        assert client.delete(f"/admin/stops/{uuid4()}").status_code == 403


def test_limits__of_what_is_not_there__404(platform: httpx.Client, owner: httpx.Client) -> None:
    for path, code in (
        ("/admin/agents/nothing/limits", "agent_not_found"),
        ("/admin/tenants/nobody/limits", "not_found"),
        ("/admin/tenants/nobody/agents/baconsultant/limits", "not_found"),
        (f"/admin/tenants/{HOME}/agents/nothing/limits", "agent_not_found"),
    ):
        assert refused(platform.get(path))[:2] == (404, code)
        assert refused(platform.put(path, json={}))[:2] == (404, code)
    for answer in (
        owner.get("/tenant/agents/nothing/limits"),
        owner.put("/tenant/agents/nothing/limits", json={}),
    ):
        assert refused(answer)[:2] == (404, "agent_not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"daily_tokens": 0}, "daily_tokens"), ({"daily_tokens": "5"}, "daily_tokens"),
        ({"monthly_tokens": 10**16}, "monthly_tokens"), ({"daily_cost": -1}, "daily_cost"),
        ({"daily_cost": 0.00001}, "daily_cost"), ({"runs_per_minute": 1.5}, "runs_per_minute"),
        ({"concurrent_runs": True}, "concurrent_runs"), ({"gap_seconds": 3601}, "gap_seconds"),
        ({"breaker_share": 2}, "breaker_share"), ({"guard_percentage": -1}, "guard_percentage"),
        ({"tokens": 1}, "tokens"), ({"reason": "x" * 1001}, "reason"),
    ],
    ids=str,
)  # fmt: skip
def test_number__that_means_nothing__refused_by_name(
    platform: httpx.Client, body: dict[str, Any], field: str
) -> None:
    assert refused(platform.put("/admin/limits", json=body)) == (422, "validation_error", field)


def test_guard_percentage__of_a_tenant__refused(platform: httpx.Client) -> None:
    answer = platform.put(f"/admin/tenants/{HOME}/limits", json={"guard_percentage": 5})
    assert refused(answer) == (422, "validation_error", "guard_percentage")


@pytest.mark.parametrize("field", ["gap_seconds", "breaker_failures", "guard_percentage"])
def test_own_limits__of_what_the_platform_alone_sets__refused(owner: httpx.Client, field: str) -> None:
    assert refused(owner.put("/tenant/limits", json={field: 10})) == (422, "validation_error", field)


def test_own_limits__wider_than_given__refused_with_what_is_given(
    platform: httpx.Client, owner: httpx.Client, agent: str
) -> None:
    assert refused(owner.put("/tenant/limits", json={"runs_per_minute": 601}))[2] == "runs_per_minute"
    answer = owner.put(f"/tenant/agents/{agent}/limits", json={"daily_tokens": 100_001})
    assert refused(answer) == (422, "validation_error", "daily_tokens")
    assert "100,000 tokens" in answer.json()["detail"]
    path = f"/admin/tenants/{HOME}/agents/{agent}/limits"
    assert platform.put(path, json={"daily_tokens": 200_000}).status_code == 200
    assert owner.put(f"/tenant/agents/{agent}/limits", json={"daily_tokens": 100_001}).status_code == 200


def test_put__with_a_stale_entity_tag__refused(
    platform: httpx.Client, owner: httpx.Client, agent: str
) -> None:
    paths = {
        f"/admin/tenants/{HOME}/limits": (platform, "daily_tokens"),
        f"/admin/agents/{agent}/limits": (platform, "daily_tokens"),
        "/tenant/limits": (owner, "concurrent_runs"),
        f"/tenant/agents/{agent}/limits": (owner, "concurrent_runs"),
    }
    for path, (client, name) in paths.items():
        tag = client.get(path).headers["ETag"]
        first = client.put(path, json={name: 9}, headers={"If-Match": tag})
        assert (first.status_code, first.headers["ETag"] != tag) == (200, True), first.text
        stale = client.put(path, json={name: 8}, headers={"If-Match": tag})
        assert refused(stale)[:2] == (412, "precondition_failed")
        again = client.put(path, json={name: 7}, headers={"If-Match": first.headers["ETag"]})
        assert again.json()["limits"][name]["value"] == 7


# --- what holds --------------------------------------------------------------------------------------------------


def test_limits__of_nobody_yet__are_the_defaults(owner: httpx.Client, agent: str) -> None:
    shown = owner.get("/tenant/limits").json()
    assert shown["limits"]["runs_per_minute"] == {
        "value": 600,
        "source": "default",
        "own": None,
        "given": 600,
    }
    assert shown["limits"]["daily_tokens"] == {"value": None, "source": "none", "own": None, "given": None}
    shown = owner.get(f"/tenant/agents/{agent}/limits").json()
    assert (shown["agent_id"], shown["revision"]) == (agent, 0)
    assert shown["limits"]["daily_tokens"]["value"] == 100_000


def test_limits__of_each_scope__say_what_holds_and_why(
    platform: httpx.Client, owner: httpx.Client, agent: str
) -> None:
    within = f"/admin/tenants/{HOME}/agents/{agent}/limits"
    platform.put("/admin/limits", json={"concurrent_runs": 40, "daily_cost": 12.5, "breaker_share": 0})
    platform.put(f"/admin/agents/{agent}/limits", json={"daily_tokens": 70, "breaker_failures": 9})
    platform.put(f"/admin/tenants/{HOME}/limits", json={"concurrent_runs": 45})
    platform.put(within, json={"gap_seconds": 20})
    shown = platform.get(within).json()["limits"]
    assert {name: (each["value"], each["source"]) for name, each in shown.items() if each["value"] is not None} == {
        "daily_tokens": (70, "agent"), "gap_seconds": (20, "tenant"), "breaker_failures": (9, "agent"),
        "breaker_share": (0, "platform"), "breaker_window_seconds": (120, "default"),
        "breaker_cooldown_seconds": (60, "default"),
    }  # fmt: skip
    assert owner.put("/tenant/limits", json={"concurrent_runs": 30, "daily_cost": 2}).status_code == 200
    shown = owner.get("/tenant/limits").json()["limits"]
    assert shown["concurrent_runs"] == {"value": 30, "source": "own", "own": 30, "given": 45}
    assert shown["daily_cost"] == {"value": 2, "source": "own", "own": 2, "given": 12.5}
    shown = platform.get(f"/admin/tenants/{HOME}/limits").json()["limits"]
    assert shown["concurrent_runs"] == {"value": 30, "source": "own", "set": 45}
    assert platform.get("/admin/limits").json()["limits"]["guard_percentage"]["value"] == 100


def test_put__without_a_number__leaves_it_to_the_wider_scope(platform: httpx.Client) -> None:
    path = f"/admin/tenants/{HOME}/limits"
    platform.put(path, json={"concurrent_runs": 5})
    shown = platform.put(path, json={}).json()["limits"]["concurrent_runs"]
    assert shown == {"value": 50, "source": "default", "set": None}


PROBE = """
import asyncio, json, sys
from uuid import UUID
import django
django.setup()
from agents import stops
from agents.limits import registry
from qualisys import cache

async def main():
    await cache.epochs.refresh()
    tenant = UUID(sys.argv[1])
    for line in sys.stdin:
        await cache.epochs.refresh()
        rows = await registry.of(tenant)
        print(json.dumps([rows.tenant.daily_tokens, rows.own.daily_tokens, sorted(await stops.current())]), flush=True)

asyncio.run(main())
"""


def test_effect__in_another_process__is_what_was_put(
    portal: Portal, platform: httpx.Client, owner: httpx.Client, tenants: Tenants
) -> None:
    command = [sys.executable, "-c", PROBE, str(tenants[HOME].id)]
    env = {**portal.env, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def asked() -> Any:
            other.stdin.write("\n")  # type: ignore[union-attr]
            other.stdin.flush()  # type: ignore[union-attr]
            return json.loads(other.stdout.readline())  # type: ignore[union-attr]

        assert asked()[:2] == [None, None]
        model = f"m-{uuid4().hex}"
        platform.put(f"/admin/tenants/{HOME}/limits", json={"daily_tokens": 90})
        owner.put("/tenant/limits", json={"daily_tokens": 80})
        stop = platform.post("/admin/stops", json={"provider": "vllm", "model": model, "reason": "x"}).json()
        wait_for(lambda: asked()[:2] == [90, 80] and ["vllm", model] in asked()[2], 1, "the limits")
        platform.delete(f"/admin/stops/{stop['id']}")
        wait_for(lambda: ["vllm", model] not in asked()[2], 1, "the end of the stop")
        other.stdin.close()


# --- prices and stops --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"provider": "nobody"}, "provider"), ({"model": ""}, "items.0.model"), ({"model": " "}, "model"),
        ({"input_price": -1}, "items.0.input_price"), ({"output_price": None}, "items.0.output_price"),
        ({"color": "red"}, "items.0.color"),
    ],
    ids=str,
)  # fmt: skip
def test_prices__that_mean_nothing__refused(
    platform: httpx.Client, changes: dict[str, Any], field: str
) -> None:
    before = platform.get("/admin/prices").json()
    price = {"provider": "vllm", "model": "m", "input_price": 1, "output_price": 2, **changes}
    answer = platform.put("/admin/prices", json={"items": [price]})
    assert refused(answer) == (422, "validation_error", field)
    assert platform.get("/admin/prices").json() == before


def test_prices__are_replaced_by_who_has_seen_them(platform: httpx.Client) -> None:
    seen = platform.get("/admin/prices")
    before, tag = seen.json()["items"], {"If-Match": seen.headers["ETag"]}
    mine = {"provider": "vllm", "model": f"m-{uuid4().hex}", "input_price": 0.1234, "output_price": 2,
            "max_output_tokens": 100, "source": "our machines"}  # fmt: skip
    answer = platform.put("/admin/prices", json={"items": [*before, mine]}, headers=tag)
    assert mine in answer.json()["items"]
    assert refused(platform.put("/admin/prices", json={"items": []}, headers=tag))[0] == 412
    platform.put("/admin/prices", json={"items": before}, headers={"If-Match": answer.headers["ETag"]})
    assert platform.get("/admin/prices").json()["items"] == before
    with tenancy.use(tenancy.platform("tests")):
        assert not ModelPrice.objects.filter(model=mine["model"]).exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"provider": "nobody", "reason": "x"}, "provider"),
        ({"provider": "vllm", "model": " ", "reason": "x"}, "model"),
        ({"provider": "vllm"}, "reason"), ({"provider": "vllm", "reason": ""}, "reason"), ({"reason": "x"}, "provider"),
    ],
    ids=str,
)  # fmt: skip
def test_stop__of_nothing_or_without_a_reason__refused(
    platform: httpx.Client, body: dict[str, Any], field: str
) -> None:
    assert refused(platform.post("/admin/stops", json=body)) == (422, "validation_error", field)
    with tenancy.use(tenancy.platform("tests")):
        assert not ModelStop.objects.filter(provider="vllm", model="").exists()


def test_stop__is_listed_until_it_ends(platform: httpx.Client) -> None:
    body = {"provider": "vllm", "model": f"m-{uuid4().hex}", "reason": "Wrong answers."}
    answer = platform.post("/admin/stops", json=body)
    assert (answer.status_code, {name: answer.json()[name] for name in body}) == (201, body)
    assert refused(platform.post("/admin/stops", json=body))[:2] == (409, "conflict")
    stop_id = UUID(answer.json()["id"])
    assert str(stop_id) in {each["id"] for each in platform.get("/admin/stops").json()["items"]}
    assert platform.delete(f"/admin/stops/{stop_id}", params={"reason": "mended"}).status_code == 204
    assert refused(platform.delete(f"/admin/stops/{stop_id}"))[:2] == (404, "not_found")
    assert str(stop_id) not in {each["id"] for each in platform.get("/admin/stops").json()["items"]}

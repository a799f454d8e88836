"""The console's health page: who may see it and who may reset, what a reset does, and figures over all tenants."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2 as httpx
import pytest

from agents.limits.numbers import Numbers
from agents.limits.services import set_limits
from agents.models import GuardEvent, UsageDay
from governance.exports import spreadsheet
from governance.health import overview
from qualisys import tenancy
from qualisys.console import PLATFORM_CHAIN
from tests import pages
from tests.connections import as_platform
from tests.console import console, last_event, post
from tests.people import SYSTEM
from tests.portal import Portal, wait_for

pytestmark = pytest.mark.usefixtures("database")

SHADOW = """INSERT INTO agent_execution_log VALUES (gen_random_uuid(), 'logreader', %s, gen_random_uuid(), '1.0.0',
 'stable', '', 'openai', 'm', 1, 1, 0, false, 1, 1, 'success', '', '', false, false, now(), 0, '', %s)"""


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    """Look at the database as the platform."""
    with tenancy.use(tenancy.platform("tests")):
        yield


def opened(portal: Portal) -> str:
    """Let an agent fail until its circuit opens, and return its id."""
    agent = portal.scripted("status=500").agent_id
    with portal.client() as client:
        for _ in range(5):
            client.post(f"/agents/{agent}/runs", json={"input": "x"})
        assert client.get(f"/agents/{agent}/circuit-breaker").json()["state"] == "open"
    return agent


def said(client: httpx.Client) -> str:
    """Return the page's text."""
    answer = client.get("/admin/health/")
    assert answer.status_code == 200, answer.text[:500]
    return re.sub(r"(<[^>]+>|\s)+", " ", answer.text.partition('id="health"')[2])


@pytest.mark.parametrize("path", ["health/", "health/usage.csv", "health/logreader/reset/"])
def test_pages__without_a_platform_role__stay_shut(portal: Portal, path: str) -> None:
    person = portal.login("acme", "owner")
    with pages.browser(portal, None) as client:
        assert client.get(f"/admin/{path}").status_code == 302
        pages.sign_in(client, person["email"], person["password"], "/admin/login/")
        assert client.get(f"/admin/{path}").status_code == 302


def test_support__sees_and_resets_nothing(portal: Portal) -> None:
    agent = opened(portal)
    with console(portal, "platform_support") as client:
        assert agent in said(client)
        assert f"/admin/health/{agent}/reset/" not in client.get("/admin/health/").text
        assert client.get(f"/admin/health/{agent}/reset/").status_code == 403
        assert post(client, f"health/{agent}/reset/", reason="let me").status_code == 403
    with portal.client() as client:
        assert client.get(f"/agents/{agent}/circuit-breaker").json()["state"] == "open"


@pytest.mark.parametrize("query", ["?tenant=nonsense", "?tenant=551b9ca9-4b54-4692-8dca-a5b58deb9265"])
def test_reset__of_what_is_not_there__is_not_found(owner: httpx.Client, query: str) -> None:
    assert owner.get(f"/admin/health/logreader/reset/{query}").status_code == 404
    assert owner.get("/admin/health/no-such-agent/reset/").status_code == 404


def test_reset__without_a_reason__closes_nothing(portal: Portal, owner: httpx.Client) -> None:
    agent = opened(portal)
    assert "This field is required" in post(owner, f"health/{agent}/reset/", reason=" ").text
    with portal.client() as client:
        assert client.get(f"/agents/{agent}/circuit-breaker").json()["state"] == "open"


def test_reset__with_a_reason__closes_and_is_on_record(portal: Portal, owner: httpx.Client) -> None:
    agent = opened(portal)
    assert f'href="/admin/health/{agent}/reset/"' in owner.get("/admin/health/").text
    assert f"{agent.title()} failed too often and is paused for everybody." in owner.get("/admin/").text
    assert "Every circuit that refuses" in owner.get(f"/admin/health/{agent}/reset/").text
    assert post(owner, f"health/{agent}/reset/", reason="The provider is back.").status_code == 302
    with portal.client() as client:
        assert client.get(f"/agents/{agent}/circuit-breaker").json()["state"] == "closed"
    event = last_event(PLATFORM_CHAIN, agent)
    assert (event.action, json.loads(event.body)["reason"]) == ("circuit.reset", "The provider is back.")
    wait_for(lambda: f"Reset by hand {agent}" in said(owner), 20, "the reset in the history")
    assert "ended by a person" in said(owner)


def test_resets_per_opening__count_only_what_they_ended(platform: None) -> None:
    before = overview.resets(datetime.now(UTC))
    kinds = ["circuit.reset", "circuit.opened", "circuit.reset", "circuit.reset", "circuit.opened", "circuit.half_open",
             "circuit.closed"]  # fmt: skip
    agent, now = f"counted-{uuid4().hex}", datetime.now(UTC)
    for number, kind in enumerate(kinds):
        at = now - timedelta(minutes=10 - number)
        GuardEvent.objects.create(
            id=f"{agent}-{number}", at=at, kind=kind, agent_id=agent, provider="p", model="m"
        )
    after = overview.resets(datetime.now(UTC))
    assert (after.openings - before.openings, after.resets - before.resets) == (2, 1)


def test_budgets__over_eighty_percent__are_listed_by_tenant_as_they_are_now(
    portal: Portal, owner: httpx.Client
) -> None:
    agent = portal.scripted("ptok=800,ctok=50", max_tokens_per_invocation=1000).agent_id
    set_limits(actor=SYSTEM, agent_id=agent, numbers=Numbers(daily_tokens=1000))
    with portal.client() as client:
        assert client.post(f"/agents/{agent}/runs", json={"input": "x"}).status_code == 201
    name = portal.demo["tenants"]["acme"].get("name", "")
    listed = rf"{name}[^%]* {agent} Tokens today 850 tokens of 1,000 tokens 85.0 % · Over 80 %"
    wait_for(lambda: re.search(listed, said(owner)), 20, "the budget")
    set_limits(actor=SYSTEM, agent_id=agent, numbers=Numbers(daily_tokens=10_000))
    wait_for(lambda: not re.search(rf"{agent} Tokens today", said(owner)), 20, "the raised budget to leave")


def test_shadow__what_it_would_have_refused__is_counted(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    with as_platform() as connection:
        for slug in ("acme", "globex"):
            connection.execute(SHADOW, [tenants[slug].id, "cost_budget_exceeded"])
    assert "2 cost budget used up, 2 tenants" in said(owner)


def test_file__of_all_tenants__has_the_ledger(portal: Portal, owner: httpx.Client) -> None:
    agent = portal.scripted("ptok=70,ctok=7").agent_id
    for slug in ("acme", "globex"):
        with portal.client(slug) as client:
            assert client.post(f"/agents/{agent}/runs", json={"input": "x"}).status_code == 201

    def lines() -> list[dict[str, str]]:
        answer = owner.get("/admin/health/usage.csv")
        rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
        return [row for row in rows if row["agent_id"] == agent]

    wait_for(lambda: len(lines()) == 2, 20, "the ledger's rows")
    assert {row["tenant"] for row in lines()} == {"acme", "globex"}
    assert {(row["runs"], row["tokens"], float(row["cost_usd"]) > 0) for row in lines()} == {
        ("1", "77", True)
    }


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", " =1", "\t=1", "\uff1d1"])
def test_file__a_name_like_a_formula__is_text(name: str) -> None:
    row = UsageDay(tenant_id=uuid4(), agent_id=name, day=datetime.now(UTC).date(), runs=1, input_tokens=2,
                   output_tokens=3, cost_micros=1_000_001)  # fmt: skip
    content = spreadsheet.ledger_csv([row], {row.tenant_id: ("slug", name)}).decode("utf-8-sig")
    (line,) = csv.DictReader(io.StringIO(content))
    assert line["tenant_name"] == line["agent_id"] == f"'{name}"
    assert line["cost_usd"] == "1.000001"

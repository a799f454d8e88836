"""The health page and refused runs in a browser: live, calm, by keyboard, without barriers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from psycopg import sql

from qualisys.ids import uuid7
from tests.browser.axe import everywhere, violations
from tests.browser.conftest import Open
from tests.browser.test_live_runs import start
from tests.connections import as_owner, as_platform
from tests.portal import Portal, Scripted

pytestmark = pytest.mark.browser

#: Where pictures go, for people to look at; nowhere unless said.
PICTURES = os.environ.get("QUALISYS_PICTURES", "")
#: One run uses 850 tokens of the 1000 of its day.
TIGHT = "ptok=800,ctok=50"

LOG = """INSERT INTO agent_execution_log VALUES (gen_random_uuid(), %s, (SELECT id FROM tenants_tenant
 WHERE schema_name = 'acme'), gen_random_uuid(), '1.0.0', 'stable', '', 'openai', 'm', %s, %s, %s, false, 1, 1, %s, %s,
 '', false, false, %s)"""
EVENT = """INSERT INTO agent_guard_events (id, at, kind, agent_id, provider, model, detail)
 VALUES (%s, %s, %s, 'qaconsultant', 'openai', 'gpt-4o', %s)"""


def run(portal: Portal, agent_id: str, times: int = 1, tenant: str = "acme") -> list[str]:
    """Run an agent and return the codes of what went wrong."""
    codes = []
    with portal.client(tenant) as client:
        for _ in range(times):
            answer = client.post(f"/agents/{agent_id}/runs", json={"input": "Check the login page."})
            codes.append(answer.json().get("code", ""))
    return codes


def limit(portal: Portal, agent_id: str | None, tokens: int, tenant: str = "") -> None:
    """Give an agent everywhere, or a tenant as a whole, a daily budget.

    In a process of its own: a browser's event loop runs in this one.
    """
    code = f"""
from agents.limits.numbers import Numbers
from agents.limits.services import set_limits
from qualisys import tenancy
from qualisys.access import System
from tenants.models import Tenant

with tenancy.use(tenancy.platform("tests")):
    tenant = Tenant.objects.filter(schema_name={tenant!r}).first()
    set_limits(actor=System("tests"), agent_id={agent_id!r}, tenant_id=tenant and tenant.pk,
               numbers=Numbers(daily_tokens={tokens}))
"""
    subprocess.run([sys.executable, "manage.py", "shell", "-v", "0", "-c", code], env=portal.env, check=True)


@pytest.fixture(scope="module")
def troubled(portal: Portal) -> tuple[Scripted, Scripted]:
    """An agent whose circuit opened and refused a run, and one that used 85 % of its day and was refused."""
    broken = portal.scripted("status=500", name="Release notes")
    assert run(portal, broken.agent_id, 6)[-1] == "agent_circuit_open"
    tight = portal.scripted(TIGHT, name="Test data maker", max_tokens_per_invocation=1000)
    limit(portal, tight.agent_id, 1000)
    assert run(portal, tight.agent_id, 2) == ["", "token_budget_exceeded"]
    return broken, tight


def stored_run(portal: Portal) -> UUID:
    """Store a run that a fallback answered and return its id."""
    run_id = uuid7()
    columns = {
        "id": run_id, "agent_id": "logreader", "version": "1.0.0", "version_reason": "stable", "content_hash": "",
        "conversation_id": uuid7(), "user_id": uuid7(), "status": "completed", "input": "x", "documents": "[]",
        "parameters": "{}", "output": "Done.", "provider": "openai", "model": "gpt-4o-mini", "config_revision": 0,
        "prompt_hash": "", "demo": False, "input_tokens": 1, "output_tokens": 1, "usage_estimated": False,
        "cost_micros": 1234, "fallback_from": "anthropic claude-x", "execution_time_ms": 10,
        "created_at": datetime.now(UTC),
    }  # fmt: skip
    query = sql.SQL("INSERT INTO acme.governance_run ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(", ").join(sql.Placeholder() * len(columns))
    )
    with as_owner() as connection:
        connection.execute(query, list(columns.values()))
    return run_id


@pytest.fixture(scope="module")
def lived(portal: Portal) -> None:
    """A day of the built-in agents: runs, errors, timeouts, refusals, a circuit that opened and closed, limits."""
    now, chance = datetime.now(UTC), random.Random(7)
    with as_platform() as connection:
        for agent, often, wrong in (
            ("baconsultant", 9, 0.02),
            ("qaconsultant", 6, 0.12),
            ("logreader", 3, 0.0),
        ):
            for hour in range(24):
                for _ in range(chance.randrange(often + 1)):
                    dice = chance.random()
                    status = "error" if dice < wrong else "timeout" if dice < wrong * 1.6 else "success"
                    connection.execute(LOG, [agent, 400, 300, 100, status, "", now - timedelta(hours=hour)])
        for code, status in (("rate_limited", "refused"), ("agent_circuit_open", "circuit_open")):
            for minute in range(3):
                at = now - timedelta(hours=5, minutes=minute)
                connection.execute(LOG, ["qaconsultant", 0, 0, 0, status, code, at])
        kinds = (("opened", 320), ("half_open", 300), ("opened", 299), ("half_open", 280), ("closed", 279))
        for number, (kind, minutes) in enumerate(kinds):
            at, reason = now - timedelta(minutes=minutes), "provider_error" if kind == "opened" else ""
            connection.execute(
                EVENT, [f"{now.timestamp()}-{number}", at, f"circuit.{kind}", json.dumps({"reason": reason})]
            )


def card(page: Page, agent: Scripted) -> Any:
    return page.locator(f"#agent-{agent.agent_id}")


@pytest.mark.parametrize("role", ["dev", "viewer"])
def test_health__role_without_metrics__is_forbidden_and_not_offered(open_page: Open, role: str) -> None:
    page = open_page("/settings/health/", role=role)
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    page.goto("/settings/profile/")
    expect(page.get_by_role("link", name="Health")).to_have_count(0)


def test_health__in_light_and_dark_on_desktop_and_phone__has_no_violation(
    open_page: Open, troubled: tuple[Scripted, Scripted], lived: None
) -> None:
    page = open_page("/settings/health/", role="owner")
    expect(card(page, troubled[0])).to_be_visible()
    expect(page.locator("#agent-qaconsultant .strip rect")).to_have_count(5)
    for each in page.locator(".health-card details.more:visible summary").all()[:3]:
        each.click()
    page.locator("#summary-passed").click()
    assert everywhere(page) == {}


def test_health__of_a_tenant_that_ran_nothing__teaches(open_page: Open) -> None:
    page = open_page("/settings/health/", role="owner", tenant="spare_2")
    expect(page.get_by_role("heading", name="Nothing has run in 24 hours")).to_be_visible()
    assert everywhere(page) == {}


def test_health__while_it_is_open__tells_of_a_circuit_and_keeps_focus_and_what_is_open(
    open_page: Open, portal: Portal, troubled: tuple[Scripted, Scripted]
) -> None:
    other = portal.scripted("status=500", name="Aardvark")
    run(portal, other.agent_id)
    page = open_page("/settings/health/", role="owner")
    expect(card(page, other)).to_contain_text("Healthy")
    summary = page.locator(f"#summary-{troubled[1].agent_id}")
    summary.focus()
    page.keyboard.press("Enter")
    page.evaluate("document.querySelector('#health-cards').mark = 1")
    run(portal, other.agent_id, 4)
    expect(card(page, other)).to_contain_text("Paused")
    expect(card(page, other)).to_contain_text("tried again in")
    expect(summary).to_be_focused()
    expect(page.locator(f"#more-{troubled[1].agent_id}")).to_have_attribute("open", "")
    assert page.evaluate("document.querySelector('#health-cards').mark") == 1


def test_health__card_that_moves_up__takes_the_focus_along(
    open_page: Open, portal: Portal, troubled: tuple[Scripted, Scripted]
) -> None:
    other = portal.scripted("status=500", name="Zebra")
    run(portal, other.agent_id)
    page = open_page("/settings/health/", role="owner")
    link = page.locator(f"#link-{other.agent_id}")
    link.focus()
    run(portal, other.agent_id, 4)
    expect(card(page, other)).to_contain_text("Paused")
    expect(link).to_be_focused()
    page.wait_for_timeout(6000)
    expect(link).to_be_focused()


def test_health__in_a_hidden_tab__asks_nothing(open_page: Open) -> None:
    page = open_page("/settings/health/", role="owner")
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/settings/health/"):
            asked.append(request.url)

    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    page.on("request", note)
    page.wait_for_timeout(6500)
    assert asked == []
    page.evaluate("delete document.hidden")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(1500)
    assert len(asked) == 1


def test_health__without_a_connection__says_that_it_is_not_up_to_date(
    open_page: Open, complaints: list[str]
) -> None:
    page = open_page("/settings/health/", role="owner")
    stale = page.get_by_text("The connection was lost")
    expect(stale).to_be_hidden()
    page.context.set_offline(True)
    expect(stale).to_be_visible()
    page.context.set_offline(False)
    expect(stale).to_be_hidden()
    complaints.clear()


def test_refused_run__says_which_limit_how_much_and_when(
    open_page: Open, portal: Portal, troubled: tuple[Scripted, Scripted]
) -> None:
    agent = troubled[1].agent_id
    page = open_page("/settings/health/", role="owner")
    card(page, troubled[1]).locator("summary").click()
    card(page, troubled[1]).get_by_role("link", name="Token budget used up").click()
    expect(page.get_by_label("Status")).to_have_value("refused")
    expect(page.locator("#run-rows .badge", has_text="Refused")).to_have_count(1)
    page.locator("#run-rows .run-link").click()
    told = page.locator("[data-problem]")
    expect(told).to_contain_text("Refused: Token budget exceeded")
    expect(told).to_contain_text("850 tokens of 1,000 tokens used or reserved today")
    expect(told).to_contain_text("the limit of tokens a day of this agent in your organisation")
    expect(told).to_contain_text("Ask an administrator to raise the limit")
    expect(page.locator(".run-head")).to_contain_text("Refused")
    assert everywhere(page) == {}
    page.goto(f"/agents/{agent}/")
    start(page, "again")
    expect(page.locator("[data-problem]")).to_contain_text("850 tokens of 1,000 tokens")


def test_run_by_a_fallback__names_both_models_and_the_cost(open_page: Open, portal: Portal) -> None:
    run_id = stored_run(portal)
    page = open_page(f"/runs/{run_id}/", role="owner")
    expect(page.locator(".run-note")).to_contain_text(
        "Answered by openai gpt-4o-mini in place of anthropic claude-x"
    )
    expect(page.locator(".run-foot")).to_contain_text("cost $0.0012")


@pytest.fixture
def console(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A page of the console, signed in as the platform's owner."""
    person = portal.login(None, "platform_owner")
    context = browser.new_context(base_url=portal.url(None), viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto("/admin/login/?next=/admin/health/")
    page.get_by_label("E-mail").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Which circuits are not closed?")).to_be_visible()
    yield page
    context.close()


def test_console__health__has_no_violation_of_its_own_in_light_and_dark(
    console: Page, troubled: tuple[Scripted, Scripted], lived: None
) -> None:
    console.reload()
    expect(console.locator("#health")).to_contain_text(troubled[0].agent_id)
    for theme in ("light", "dark"):
        console.evaluate(f"localStorage.setItem('adminTheme', JSON.stringify('{theme}'))")
        console.reload()
        expect(console.locator("html")).to_have_attribute("data-theme", theme)
        assert violations(console, "#health") == []
        if PICTURES and theme == "light":
            console.screenshot(path=str(Path(PICTURES) / "console-health.png"))


def test_console__reset_by_keyboard__asks_for_a_reason_and_closes(
    console: Page, portal: Portal, troubled: tuple[Scripted, Scripted]
) -> None:
    agent = portal.scripted("status=500", name="To be reset").agent_id
    assert run(portal, agent, 6)[-1] == "agent_circuit_open"
    console.reload()
    console.get_by_role("link", name=f"Reset {agent}, Every tenant").press("Enter")
    expect(console.locator("h2", has_text="Reset To be reset?")).to_be_visible()
    console.get_by_label("Reason").fill("The provider is back")
    console.get_by_role("button", name="Reset").press("Enter")
    expect(console.get_by_text("circuit(s) closed")).to_be_visible()
    assert run(portal, agent) == ["provider_error"]


@pytest.mark.skipif(not PICTURES, reason="pictures are made on request: QUALISYS_PICTURES names a folder")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture(
    open_page: Open, portal: Portal, troubled: tuple[Scripted, Scripted], lived: None, theme: str
) -> None:
    run(portal, troubled[0].agent_id)
    limit(portal, None, 2000, tenant="acme")
    view = {"width": 1280, "height": 1500}
    page = open_page("/settings/health/", role="owner", color_scheme=theme, viewport=view)
    expect(page.locator(".health-card").first).to_be_visible()
    page.screenshot(path=str(Path(PICTURES) / f"health-{theme}.png"))

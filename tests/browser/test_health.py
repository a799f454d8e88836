"""The health page and refused runs in a browser: live, calm, by keyboard, without barriers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.axe import everywhere
from tests.browser.conftest import Open
from tests.browser.test_live_runs import start
from tests.portal import Portal, Scripted

pytestmark = pytest.mark.browser

#: Where pictures go, for people to look at; nowhere unless said.
PICTURES = os.environ.get("QUALISYS_PICTURES", "")
#: One run uses 850 tokens of the 1000 of its day.
TIGHT = "ptok=800,ctok=50"


def run(portal: Portal, agent_id: str, times: int = 1, tenant: str = "acme") -> list[str]:
    """Run an agent and return the codes of what went wrong."""
    codes = []
    with portal.client(tenant) as client:
        for _ in range(times):
            answer = client.post(f"/agents/{agent_id}/runs", json={"input": "Check the login page."})
            codes.append(answer.json().get("code", ""))
    return codes


def limit(portal: Portal, agent_id: str, tokens: int) -> None:
    """Give an agent a daily budget, in a process of its own: a browser's event loop runs in this one."""
    code = (
        "from qualisys import tenancy\nfrom qualisys.access import System\nfrom agents.limits.numbers import Numbers\n"
        "from agents.limits.services import set_limits\nwith tenancy.use(tenancy.platform('tests')):\n"
        f"    set_limits(actor=System('tests'), agent_id={agent_id!r}, numbers=Numbers(daily_tokens={tokens}))"
    )
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


def card(page: Page, agent: Scripted) -> Any:
    return page.locator(f"#agent-{agent.agent_id}")


@pytest.mark.parametrize("role", ["dev", "viewer"])
def test_health__role_without_metrics__is_forbidden_and_not_offered(open_page: Open, role: str) -> None:
    page = open_page("/settings/health/", role=role)
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    page.goto("/settings/profile/")
    expect(page.get_by_role("link", name="Health")).to_have_count(0)


def test_health__in_light_and_dark_on_desktop_and_phone__has_no_violation(
    open_page: Open, troubled: tuple[Scripted, Scripted]
) -> None:
    page = open_page("/settings/health/", role="owner")
    expect(card(page, troubled[0])).to_contain_text("Paused")
    for each in page.locator(".health-card details.more:visible summary").all()[:3]:
        each.click()
    page.locator("#summary-passed").click()
    assert everywhere(page) == {}


def test_health__of_a_tenant_that_ran_nothing__teaches(open_page: Open) -> None:
    page = open_page("/settings/health/", role="owner", tenant="spare_2")
    expect(page.get_by_role("heading", name="Nothing has happened in 24 hours")).to_be_visible()
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


def test_health__in_a_hidden_tab__asks_nothing(open_page: Open) -> None:
    page = open_page("/settings/health/", role="owner")
    asked: list[str] = []

    def note(request: Request) -> None:
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
    agent = portal.scripted("ptok=1000,ctok=1000")
    broken = portal.scripted(
        "status=429,retry_after=60", fallbacks=[{"provider": "openai", "model": agent.model}]
    )
    with portal.client() as client:
        answer = client.post(f"/agents/{broken.agent_id}/runs", json={"input": "x"})
    assert answer.status_code == 201, answer.text
    page = open_page(f"/runs/{answer.json()['run_id']}/", role="owner")
    expect(page.locator(".run-note")).to_contain_text(f"{agent.model} in place of openai {broken.model}")
    expect(page.locator(".run-foot")).to_contain_text("cost $")


@pytest.mark.skipif(not PICTURES, reason="pictures are made on request: QUALISYS_PICTURES names a folder")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture(open_page: Open, portal: Portal, troubled: tuple[Scripted, Scripted], theme: str) -> None:
    page = open_page("/settings/health/", role="owner", color_scheme=theme)
    expect(page.locator(".health-card").first).to_be_visible()
    page.screenshot(path=str(Path(PICTURES) / f"health-{theme}.png"), full_page=True)

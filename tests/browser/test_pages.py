"""The tenants' pages in a real browser: who gets in, what a role sees, what the keyboard reaches."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, sign_in
from tests.portal import Portal

pytestmark = pytest.mark.browser

MISNAMED = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
  .filter((each) => each.type !== 'hidden')
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.getAttribute('aria-label') || each.labels?.length || each.textContent.trim()))
  .map((each) => each.outerHTML.slice(0, 120))"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def echo(portal: Portal) -> str:
    """An agent that answers at once."""
    return portal.register(
        name="Echoing agent", tags=["echoing"], input_types=["md", "txt"], icon="no-such-icon"
    )


def test_sign_in__wrong_password__says_so_and_keeps_the_address(open_page: Open, portal: Portal) -> None:
    page = open_page("/sign-in/", role=None)
    page.get_by_label("E-mail").fill(portal.login("acme", "viewer")["email"])
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("You are not signed in")
    expect(page.get_by_label("E-mail")).to_have_value(portal.login("acme", "viewer")["email"])


def test_sign_in__other_tenants_person__is_refused(open_page: Open, portal: Portal) -> None:
    page = open_page("/sign-in/", role=None, tenant="globex")
    person = portal.login("acme", "viewer")
    page.get_by_label("E-mail").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("You are not signed in")


def test_any_page__anonymous__leads_back_after_signing_in(open_page: Open, portal: Portal) -> None:
    page = open_page("/runs/?status=failed", role=None)
    expect(page).to_have_url(re.compile(r"/sign-in/\?next="))
    person = portal.login("acme", "dev")
    page.get_by_label("E-mail").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/runs/\?status=failed$"))


def test_sign_out__afterwards__pages_ask_to_sign_in(open_page: Open, portal: Portal) -> None:
    page = open_page("/sign-in/", role=None)
    sign_in(page, portal, "acme", "qa_manual")
    page.locator("summary.person").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/runs/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_agent_page__unknown_agent__says_what_why_and_the_request_id(open_page: Open) -> None:
    page = open_page("/agents/no-such-agent/")
    expect(page.get_by_role("heading", name="Agent not found")).to_be_visible()
    expect(page.get_by_role("button", name="Copy the request id")).to_be_visible()


def test_agent_page__role_that_may_only_read__has_no_form(open_page: Open) -> None:
    page = open_page("/agents/baconsultant/", role="qa_automation")
    expect(page.get_by_role("heading", name="You may read, not run")).to_be_visible()
    expect(page.locator("form.composer")).to_have_count(0)


def test_agents__role_without_access__does_not_see_the_agent(open_page: Open) -> None:
    page = open_page(role="qa_manual")
    expect(page.get_by_role("link", name="BAConsultant AI Agent")).to_be_visible()
    expect(page.get_by_role("link", name="Security Scanner Orchestrator")).to_have_count(0)


def test_agents__text_and_tag__filter_and_stay_in_the_address(open_page: Open, echo: str) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("requirements stories")
    expect(page.locator("[data-card]:visible")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=requirements\+stories$"))
    page.reload()
    expect(page.locator("[data-card]:visible")).to_have_count(1)
    page.goto("/?tag=echoing")
    expect(page.locator("[data-card]:visible")).to_have_count(1)
    page.get_by_label("Search agents").fill("no agent is called this")
    expect(page.get_by_role("heading", name="No agent matches")).to_be_visible()
    page.get_by_role("button", name="Show all agents").click()
    expect(page.locator("[data-card]:visible").nth(3)).to_be_visible()


def test_agents__owner__sees_the_last_day_of_each(open_page: Open, echo: str) -> None:
    page = open_page(role="owner")
    expect(page.locator(f"#health-{echo} .spark-text")).to_contain_text("No runs in 24 h")


def test_attachments__wrong_type__is_refused_and_a_right_one_can_be_removed(
    open_page: Open, echo: str
) -> None:
    page = open_page(f"/agents/{echo}/")
    files = page.locator("input[type=file]")
    files.set_input_files({"name": "tool.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"})
    expect(page.get_by_role("alert")).to_contain_text("cannot be read by this agent")
    files.set_input_files({"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Notes"})
    expect(page.get_by_role("list", name="Attached files")).to_contain_text("notes.md")
    page.get_by_role("button", name="Remove notes.md").click()
    expect(page.locator(".file-chip")).to_have_count(0)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Write something or attach a document first")


def test_runs__another_tenant__neither_lists_nor_opens_it(open_page: Open, portal: Portal, echo: str) -> None:
    with portal.client("acme", "pm_csm") as client:
        run = client.post(f"/agents/{echo}/runs", json={"input": "acme's own words"}).json()
    page = open_page(f"/runs/{run['run_id']}/", role="owner", tenant="globex")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.goto("/runs/")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert run["run_id"] not in page.content()
    assert "acme's own words" not in page.content()


def test_runs__filters__are_in_the_address(open_page: Open, portal: Portal, echo: str) -> None:
    with portal.client("acme", "pm_csm") as client:
        client.post(f"/agents/{echo}/runs", json={"input": "to be found in the list"})
    page = open_page("/runs/")
    page.get_by_label("Agent").select_option(echo)
    expect(page).to_have_url(re.compile(f"agent={echo}"))
    expect(page.locator("#run-rows tr").first).to_contain_text("to be found in the list")
    page.get_by_label("Status").select_option("failed")
    expect(page.get_by_role("heading", name="No run matches")).to_be_visible()


def test_keyboard__alone__signs_in_finds_runs_and_reads(open_page: Open, portal: Portal, echo: str) -> None:
    page = open_page("/sign-in/", role=None)
    person = portal.login("acme", "admin")
    page.keyboard.type(person["email"])
    page.keyboard.press("Tab")
    page.keyboard.type(person["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("echoing")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Echoing agent")).to_be_visible()
    _tab_to(page, "input")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".run-head")).to_contain_text("Completed")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()


def _tab_to(page: Page, element_id: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == element_id:
            return
    pytest.fail(f"{element_id} is not reached by Tab")


def test_theme__chosen__is_kept(open_page: Open) -> None:
    page = open_page(color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


@pytest.mark.parametrize("path", ["/", "/agents/baconsultant/", "/runs/", "/agents/no-such-agent/"])
def test_page__phone__fits_and_every_control_has_a_name(open_page: Open, path: str) -> None:
    page = open_page(path, viewport={"width": 360, "height": 740})
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate(MISNAMED) == []

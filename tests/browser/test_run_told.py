"""What the model was told, on a run's page: folded, loaded when opened, only for those who configure agents."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import everywhere
from tests.browser.conftest import Open
from tests.browser.test_settings_pages import picture
from tests.connections import as_owner
from tests.portal import Portal, wait_for

pytestmark = pytest.mark.browser

RULES = "Number every requirement as REQ-<area>-<number> and keep the wording of ISO 13485 throughout."
BASE = "You answer in short sentences.\n[[locked]]\nNever invent a fact.\n[[/locked]]\nBe polite."


@pytest.fixture
def agent_id(portal: Portal) -> str:
    return portal.scripted(system_prompt=BASE).agent_id


@pytest.fixture
def run_id(portal: Portal, agent_id: str) -> str:
    """A run that was told the organisation's own rules."""
    with portal.client("globex", "owner") as client:
        client.put(f"/tenant/agents/{agent_id}/config", json={"custom_prompt": RULES}).raise_for_status()

    def run() -> str:
        with portal.client("globex") as client:
            made = client.post(f"/agents/{agent_id}/runs", json={"input": "x"}).json()
        return str(made["run_id"]) if made["config_revision"] else ""

    wait_for(run, 3, "the override")
    return run()


def told(page: Page) -> None:
    """Open the section by keyboard."""
    page.get_by_role("heading", name="What the model was told").locator("..").focus()
    page.keyboard.press("Enter")


def test_told__for_a_member_who_configures_no_agents__neither_shown_nor_given(
    open_page: Open, run_id: str, complaints: list[str]
) -> None:
    page = open_page(f"/runs/{run_id}/", role="pm_csm", tenant="globex")
    expect(page.locator(".run-foot")).to_be_visible()
    expect(page.get_by_role("heading", name="What the model was told")).to_have_count(0)
    page.goto(f"/runs/{run_id}/told/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Not allowed")
    complaints.clear()  # a refused page is told in the browser's console, too


def test_told__opened_by_keyboard__shows_whose_words_each_layer_is(open_page: Open, run_id: str) -> None:
    page = open_page(f"/runs/{run_id}/", role="owner", tenant="globex")
    expect(page.locator(".layer").first).not_to_be_visible()
    told(page)
    expect(page.locator(".layer-tenant")).to_contain_text("REQ-<area>-<number>")
    expect(page.locator(".layer-locked")).to_contain_text("Never invent a fact.")
    expect(page.get_by_text("Verified: this text")).to_be_visible()
    picture(page, "run-told")
    assert everywhere(page) == {}
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "run-told-phone")


def test_told__that_nothing_proves__says_so(open_page: Open, agent_id: str, run_id: str) -> None:
    with as_owner() as connection:
        connection.execute(
            "ALTER TABLE public.tenant_agent_config_revisions DISABLE TRIGGER revision_is_immutable"
        )
        connection.execute(
            """UPDATE public.tenant_agent_config_revisions SET config = jsonb_set(config, '{custom_prompt}', '"No."')
            WHERE agent_id = %s""",
            [agent_id],
        )
        connection.execute(
            "ALTER TABLE public.tenant_agent_config_revisions ENABLE TRIGGER revision_is_immutable"
        )
    page = open_page(f"/runs/{run_id}/", role="owner", tenant="globex")
    told(page)
    expect(page.get_by_text("Not verified")).to_be_visible()
    picture(page, "run-told-unproved")
    assert everywhere(page) == {}

"""The list of runs in a browser: filters that live in the address, and empty states that teach."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.portal import Portal

pytestmark = pytest.mark.browser

VIEWS = [
    pytest.param({"color_scheme": "light"}, id="desktop-light"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}, id="phone-dark"),
]


@pytest.mark.parametrize("view", VIEWS)
def test_filters__person_and_words__narrow_and_can_be_shared(
    open_page: Open, portal: Portal, view: dict[str, Any]
) -> None:
    agent = portal.register()
    for role, words in (("pm_csm", "a needle of the PM"), ("dev", "a needle of the developer")):
        with portal.client("acme", role) as client:
            client.post(f"/agents/{agent}/runs", json={"input": words})
    page = open_page("/runs/", **view)
    page.get_by_label("Agent").select_option(agent)
    expect(page.locator("#run-rows tr")).to_have_count(2)
    page.get_by_label("Asked by").select_option(label="Developer of Acme Clinics")
    expect(page.locator("#run-rows tr")).to_have_count(1)
    expect(page.locator("#run-rows")).to_contain_text("a needle of the developer")
    page.get_by_label("Words of the request").press_sequentially("pm")
    expect(page.get_by_role("heading", name="No run matches")).to_be_visible()
    page.get_by_label("Asked by").select_option(label="You")
    expect(page.locator("#run-rows")).to_contain_text("a needle of the PM")
    expect(page).to_have_url(re.compile(r"q=pm"))
    address = page.url
    colleague = open_page(address, role="dev")
    expect(colleague.locator("#run-rows")).to_contain_text("a needle of the PM")
    expect(colleague.get_by_label("Asked by")).not_to_have_value("")
    page.get_by_role("link", name="Show all runs").click()
    expect(page).to_have_url(re.compile(r"/runs/$"))


def test_empty__by_role_and_filter__says_the_next_step(open_page: Open, portal: Portal) -> None:
    agent = portal.register(access={"dev": "full", "viewer": "read"})
    page = open_page(f"/runs/?agent={agent}", role="dev")
    page.get_by_role("link", name="Open the agent").click()
    expect(page.get_by_role("heading", name="Give it work")).to_be_visible()
    reader = open_page(f"/runs/?agent={agent}", role="viewer")
    expect(reader.get_by_text("Your role reads what others ask")).to_be_visible()


def test_keyboard__slash__goes_to_the_words_and_enter_searches(open_page: Open, portal: Portal) -> None:
    agent = portal.register()
    with portal.client("acme", "pm_csm") as client:
        client.post(f"/agents/{agent}/runs", json={"input": "a needle found by keyboard"})
    page = open_page("/runs/")
    page.keyboard.press("/")
    page.keyboard.type("needle found by")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=needle"))
    expect(page.locator("#run-rows tr").first).to_contain_text("a needle found by keyboard")

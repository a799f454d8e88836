"""A real Chromium on the tenants' pages, with everything that it complains about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.portal import Portal

NAMES = ("chromium", "chromium-browser", "google-chrome")

Open = Callable[..., Page]


def find_chromium() -> str | None:
    """Return a Chromium of the system, or playwright's own."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.path.exists(own) else None


@pytest.fixture(scope="module")
def browser(portal: Portal) -> Iterator[Browser]:
    """A browser for one module: its event loop must not outlive the module, asynchronous tests need their own."""
    executable = find_chromium()
    if executable is None:
        pytest.skip(
            "no Chromium found: install one (Debian: `apt install chromium`) to run the browser tests"
        )
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def sessions() -> dict[tuple[str, str], Any]:
    """Cookies of who has signed in already, since sign-ins are rate limited."""
    return {}


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: console errors (refused by the CSP ones included) and exceptions."""
    return []


@pytest.fixture
def foreign() -> list[str]:
    """Requests that left the portal."""
    return []


@pytest.fixture
def open_page(
    portal: Portal,
    browser: Browser,
    sessions: dict[tuple[str, str], Any],
    complaints: list[str],
    foreign: list[str],
) -> Iterator[Open]:
    """Return a function that opens a page, signed in as a role unless that is None; it must end without complaints."""
    contexts = []

    def opened(
        path: str = "/", *, role: str | None = "pm_csm", tenant: str = "acme", at: str = "", **options: Any
    ) -> Page:
        home = at or portal.url(tenant)
        key = (tenant, role or "")
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(base_url=home, storage_state=sessions.get(key), **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        _listen(page, home, complaints, foreign)
        if role is not None and key not in sessions:
            sign_in(page, portal, tenant, role)
            sessions[key] = context.storage_state()
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints
    assert not foreign


def sign_in(page: Page, portal: Portal, tenant: str, role: str) -> None:
    """Fill in the sign-in form and arrive."""
    person = portal.login(tenant, role)
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Main").wait_for()


def _listen(page: Page, home: str, complaints: list[str], foreign: list[str]) -> None:
    def console(message: ConsoleMessage) -> None:
        # Chromium reports every refused request as an error; pages that expect a refusal show it themselves.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def request(asked: Request) -> None:
        if not asked.url.startswith((home, "blob:", "data:")):
            foreign.append(asked.url)

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", request)

"""Every page of a tenant, judged by axe-core in light and dark, on desktop and phone, with the strict CSP on."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.axe import everywhere, violations
from tests.browser.conftest import Open
from tests.browser.test_live_runs import STORIES, start
from tests.portal import Portal

pytestmark = pytest.mark.browser

PROSE = (
    "# Head\n\n*Words*, `code`, [a link](https://ok.example).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> said\n"
)


def test_axe__page_with_a_fault__is_noticed(open_page: Open) -> None:
    page = open_page("/sign-in/", role=None)
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [found.split(":")[0] for found in violations(page)] == ["button-name (critical)"]


def test_policy__script_in_a_page__does_not_run(open_page: Open, complaints: list[str]) -> None:
    page = open_page("/settings/usage/", role="owner")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in complaints)
    complaints.clear()


@pytest.mark.parametrize("path", ["/", "/?q=no+agent+is+called+this", "/agents/baconsultant/", "/runs/",
                                  "/runs/?status=queued", "/agents/no-such-agent/", "/settings/usage/"])  # fmt: skip
def test_page__as_the_owner__has_no_violation(open_page: Open, path: str) -> None:
    assert everywhere(open_page(path, role="owner")) == {}


def test_sign_in__with_and_without_an_error__has_no_violation(open_page: Open) -> None:
    page = open_page("/sign-in/", role=None)
    assert everywhere(page) == {}
    page.get_by_label("E-mail").fill("nobody@nowhere.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert everywhere(page) == {}


def test_page__of_a_role_that_only_reads__has_no_violation(open_page: Open) -> None:
    assert everywhere(open_page("/agents/baconsultant/", role="qa_automation")) == {}


@pytest.mark.parametrize("kind", ["document", "prose", "failed"])
def test_run__in_each_shape__has_no_violation(open_page: Open, portal: Portal, kind: str) -> None:
    portal.provider.control(answers={"document": json.dumps(STORIES), "prose": PROSE})
    schema = {"output_schema": {"type": "object"}} if kind == "document" else {}
    script = "status=400" if kind == "failed" else f"named={kind}"
    agent = portal.scripted(script, **schema).agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "words that were asked")
    expect(page.locator(".run-head")).to_contain_text("Failed" if kind == "failed" else "Completed")
    assert everywhere(page) == {}
    page.goto(page.locator(".run-foot a").get_attribute("href") or "")
    expect(page.locator(".run-foot")).to_be_visible()
    assert everywhere(page) == {}


def test_run__while_it_streams__has_no_violation(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=2000,interval=30").agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "go")
    expect(page.locator(".prose")).to_contain_text("0003")
    assert everywhere(page) == {}
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".run-head")).to_contain_text("Stopped")

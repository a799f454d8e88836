"""A run on its page: watched as it streams, stopped, lost and found again, and left alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.wire import wire
from tests.portal import Portal

pytestmark = pytest.mark.browser

STORIES: dict[str, Any] = {
    "summary": "Two stories.",
    "source": {"documents": ["a.md"], "requirements_found": 2, "requirements_covered": 1},
    "stories": [
        {
            "id": f"US-{number}",
            "title": f"Story number {number}",
            "priority": "must",
            "as_a": "patient",
            "i_want": "to sign in",
            "so_that": "nobody else reads my letters",
            "acceptance_criteria": [
                {"id": "AC-1", "given": "a patient", "when": "they wait", "then": "they are signed out",
                 "basis": "stated", "source_refs": ["REQ-1"]}
            ],
            "source_refs": ["REQ-1"],
        }
        for number in (1, 2)
    ],
    "coverage": [
        {"requirement": "REQ-1", "text": "Sign out", "stories": ["US-1"], "estimated_tests": 3, "status": "covered"}
    ],
    "gaps": [
        {"id": "GAP-1", "severity": "critical", "category": "conflict", "description": "Two limits.",
         "question": "Which?"}
    ],
}  # fmt: skip


def start(page: Page, text: str) -> None:
    """Write and run."""
    page.get_by_label("What should the agent work on?").fill(text)
    page.keyboard.press("Control+Enter")


def test_stream__text__grows_before_it_ends_and_says_what_it_cost(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=60,interval=30").agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "go")
    expect(page.locator(".prose")).to_contain_text("0003")
    assert "0059" not in page.locator(".prose").inner_text()
    expect(page.get_by_role("list", name="Steps of the run")).to_contain_text("characters")
    expect(page.locator(".run-head")).to_contain_text("Completed")
    expect(page.locator(".prose")).to_contain_text("0059")
    expect(page.locator(".run-foot")).to_contain_text("72 tokens (12 in, 60 out)")
    expect(page.locator(".run-foot")).to_contain_text("version 1.0.0 (stable)")
    expect(page).to_have_url(re.compile(r"\?run="))


def test_stop__running__ends_it_at_once(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=2000,interval=30").agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "go")
    expect(page.locator(".prose")).to_contain_text("0003")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".run-head")).to_contain_text("Stopped", timeout=3000)
    run_id = page.url.rpartition("=")[2]
    with portal.client("acme", "pm_csm") as client:
        assert client.get(f"/runs/{run_id}").json()["status"] == "cancelled"


def test_failure__provider_down__is_explained_and_can_be_retried(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("status=400,first=1,chunks=3").agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "go")
    problem = page.locator("[data-problem=provider_error]")
    expect(problem).to_contain_text("Run id")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".run").last).to_contain_text("Completed")


def test_refusal__before_the_run__is_shown_as_a_problem(open_page: Open, portal: Portal) -> None:
    agent = portal.register(input_types=["json"])
    page = open_page(f"/agents/{agent}/")
    page.locator("input[type=file]").set_input_files(
        {"name": "broken.json", "mimeType": "application/json", "buffer": b"{ not json"}
    )
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("[data-problem=validation_error]")).to_contain_text("Request id")
    expect(page.locator(".step[data-state=failed]")).to_contain_text("Queued")


def test_connection__cut_in_the_middle__is_taken_up_without_a_gap(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=150,interval=40").agent_id
    with wire(portal.webs[0].port) as line:
        page = open_page(f"/agents/{agent}/", at=f"http://{portal.host('acme')}:{line.port}")
        taken_up: list[str] = []
        page.on("request", lambda request: taken_up.append(request.headers.get("last-event-id", "")))
        start(page, "go")
        for seen in ("0010", "0060"):
            expect(page.locator(".prose")).to_contain_text(seen)
            line.cut()
            expect(page.locator(".run-note")).to_contain_text("The connection was lost")
        expect(page.locator(".run-head")).to_contain_text("Completed")
    assert len([last for last in taken_up if last]) >= 2
    assert page.locator(".prose").inner_text().split() == [f"{number:04}" for number in range(150)]


def test_reload__in_the_middle__attaches_to_the_same_run(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=120,interval=40").agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "words before the reload")
    expect(page.locator(".prose")).to_contain_text("0005")
    address = page.url
    page.reload()
    expect(page.locator(".asked")).to_contain_text("words before the reload")
    expect(page.locator(".run-head")).to_contain_text("Completed")
    assert page.url == address
    assert page.locator(".prose").inner_text().split()[-1] == "0119"


def test_background__page_left__goes_on_and_is_found_under_runs(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=40,interval=50").agent_id
    page = open_page(f"/agents/{agent}/")
    page.get_by_label("Keep going if I leave this page").check()
    start(page, "go on without me")
    expect(page).to_have_url(re.compile(r"\?run="))
    page.goto(f"/runs/?agent={agent}")
    expect(page.locator("#run-rows tr").first).to_contain_text("Completed")
    page.locator("#run-rows a").first.click()
    expect(page.locator(".run-body")).to_contain_text("0039")


def test_conversation__second_turn__continues_the_first(open_page: Open, portal: Portal) -> None:
    scripted = portal.scripted("chunks=3")
    page = open_page(f"/agents/{scripted.agent_id}/")
    start(page, "first question")
    expect(page.get_by_role("heading", name="Continue the conversation")).to_be_visible()
    start(page, "second question")
    expect(page.locator(".run").nth(1)).to_contain_text("Completed")
    asked = [message["content"] for message in portal.provider.last(scripted.model)["body"]["messages"]]
    assert any("first question" in text for text in asked)
    page.get_by_role("button", name="Start afresh").click()
    expect(page.locator(".run")).to_have_count(0)


def test_document__structured__is_readable_while_it_arrives(
    open_page: Open, portal: Portal, tmp_path: Path
) -> None:
    portal.provider.control(answers={"stories": json.dumps(STORIES)})
    schema = {"type": "object", "required": ["stories"]}
    agent = portal.scripted("named=stories,chunks=80,interval=30", output_schema=schema).agent_id
    page = open_page(f"/agents/{agent}/")
    start(page, "go")
    expect(page.locator(".story")).to_have_count(1)
    expect(page.locator(".run-head")).to_contain_text("Running")
    expect(page.locator(".run-head")).to_contain_text("Completed")
    expect(page.locator(".story")).to_have_count(2)
    expect(page.locator(".item-broken")).to_contain_text("Critical")
    expect(page.get_by_role("list", name="Steps of the run")).to_contain_text("matches the schema")
    page.get_by_role("tab", name="Raw JSON").click()
    assert json.loads(page.locator("pre.code:visible").inner_text()) == STORIES
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON", exact=True).click()
    saved = tmp_path / "answer.json"
    download.value.save_as(saved)
    assert json.loads(saved.read_text()) == STORIES


def test_run_page__ended__shows_everything_without_its_stream(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=5").agent_id
    with portal.client("acme", "pm_csm") as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "words that were sent"}).json()
    page = open_page(f"/runs/{run['run_id']}/")
    expect(page.locator(".asked")).to_contain_text("words that were sent")
    expect(page.locator(".run-body")).to_contain_text("0004")
    expect(page.locator(".run-foot")).to_contain_text("17 tokens")
    page.get_by_role("link", name="Ask again").click()
    expect(page.get_by_label("What should the agent work on?")).to_have_value("words that were sent")

"""The main path by keyboard alone: choose an agent, write, run, stop, copy; then what a run can be taken as."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_live_runs import start
from tests.portal import Portal

pytestmark = pytest.mark.browser

CLIPBOARD: dict[str, Any] = {"permissions": ["clipboard-read", "clipboard-write"]}
VIEWS = [
    pytest.param({"color_scheme": "light"}, id="desktop-light"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}, id="phone-dark"),
]
DROP = """(names) => {
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File(["# Notes"], name, { type: "text/plain" }));
  const how = { dataTransfer: transfer, bubbles: true, cancelable: true };
  const place = document.querySelector("h1");
  place.dispatchEvent(new DragEvent("dragover", how));
  return !place.dispatchEvent(new DragEvent("drop", how));
}"""


def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Press Tab until the focus is where it should be, and see that it shows."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    pytest.fail(f"{selector} is not reached by Tab")


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


@pytest.mark.parametrize("view", VIEWS)
def test_main_path__by_keyboard_alone__chooses_runs_stops_and_copies(
    open_page: Open, portal: Portal, view: dict[str, Any]
) -> None:
    name = f"Keyboard agent {'on a phone' if 'viewport' in view else 'at a desk'}"
    portal.scripted("chunks=3000,interval=25", name=name)
    page = open_page("/", **CLIPBOARD, **view)
    page.keyboard.press("/")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    tab_to(page, "#input")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".prose")).to_contain_text("0005")
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "[data-act=stop]")
    page.keyboard.press("Enter")
    expect(page.locator(".run-head")).to_contain_text("Stopped", timeout=5000)
    tab_to(page, "[data-act=copy]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied")).to_be_visible()
    assert clipboard(page).startswith("0000 0001")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]


def test_another_agent__chosen_by_keyboard__takes_along_what_was_written(
    open_page: Open, portal: Portal
) -> None:
    first, second = portal.register(name="First choice"), portal.register(name="Second choice")
    page = open_page(f"/agents/{first}/")
    page.get_by_label("What should the agent work on?").fill("words that took long")
    page.evaluate("document.activeElement.blur(), document.body.focus()")
    tab_to(page, ".agent-head summary")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Second choice").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/agents/{second}/$"))
    field = page.get_by_label("What should the agent work on?")
    expect(field).to_have_value("words that took long")
    page.reload()
    expect(field).to_have_value("")


def test_files__dropped_anywhere__are_attached_and_the_page_stays(open_page: Open, portal: Portal) -> None:
    agent = portal.register(input_types=["md"])
    page = open_page(f"/agents/{agent}/")
    page.get_by_label("What should the agent work on?").fill("stays")
    assert page.evaluate(DROP, ["notes.md", "tool.exe"])
    expect(page.get_by_role("list", name="Attached files")).to_contain_text("notes.md")
    expect(page.get_by_role("alert")).to_contain_text("tool.exe")
    expect(page.get_by_label("What should the agent work on?")).to_have_value("stays")


def test_files__dropped_on_an_agent_that_reads_none__are_refused(open_page: Open, portal: Portal) -> None:
    page = open_page(f"/agents/{portal.register(input_types=[])}/")
    assert page.evaluate(DROP, ["notes.md"])
    expect(page.get_by_role("alert")).to_contain_text("no documents")
    expect(page.locator(".file-chip")).to_have_count(0)


def test_word__of_a_run__is_a_document_that_opens(open_page: Open, portal: Portal, tmp_path: Path) -> None:
    page = open_page(f"/agents/{portal.scripted('chunks=5').agent_id}/")
    start(page, "go")
    with page.expect_download() as download:
        page.get_by_role("link", name="Word").click()
    assert download.value.suggested_filename.endswith(".docx")
    saved = tmp_path / "run.docx"
    download.value.save_as(saved)
    text = "\n".join(paragraph.text for paragraph in Document(io.BytesIO(saved.read_bytes())).paragraphs)
    assert "0000 0001 0002 0003 0004" in text
    expect(page.locator(".run-head")).to_contain_text("Completed")


def test_link__of_a_run__opens_for_a_colleague_whose_role_may_see_it(open_page: Open, portal: Portal) -> None:
    agent = portal.scripted("chunks=5", access={"pm_csm": "full", "dev": "read"}).agent_id
    page = open_page(f"/agents/{agent}/", **CLIPBOARD)
    start(page, "for a colleague")
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    address = clipboard(page)
    assert re.search(r"^http://acme\.localhost:\d+/runs/[0-9a-f-]{36}/$", address)
    colleague = open_page(address, role="dev")
    expect(colleague.locator(".asked")).to_contain_text("for a colleague")
    expect(colleague.locator(".run-body")).to_contain_text("0004")
    stranger = open_page(address, role="viewer")
    expect(stranger.get_by_role("heading", name="Not found")).to_be_visible()
    assert "for a colleague" not in stranger.content()


def test_retry__after_a_reload__asks_the_same_again(open_page: Open, portal: Portal) -> None:
    scripted = portal.scripted("chunks=3")
    page = open_page(f"/agents/{scripted.agent_id}/")
    start(page, "the same words")
    expect(page.locator(".run-head")).to_contain_text("Completed")
    page.reload()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".run").nth(1)).to_contain_text("Completed")
    expect(page.locator(".asked").nth(1)).to_contain_text("the same words")
    assert portal.provider.stats(scripted.model)["requests"] == 2

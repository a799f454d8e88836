"""P36: what a hostile model writes is inert on the pages, while it streams and afterwards, and in the exports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_live_runs import start
from tests.portal import Portal

pytestmark = [pytest.mark.browser, pytest.mark.promise]

TEXT = """# <script>window.pwned = 1</script>

<script>window.pwned = 2</script>
<img src=x onerror="window.pwned = 3"> ![leak](https://evil.example/pixel.png) ![leak][ref]
<iframe srcdoc="<script>parent.pwned = 4</script>"></iframe><svg onload="window.pwned = 5"></svg>
[click](javascript:window.pwned=6) <a href="javascript:window.pwned=7" onclick="window.pwned=8">click</a>
<style>body { display: none }</style><form action="/sign-out/"><button>Sign out</button></form>
\x1b]0;owned\x07\x1b[2J

| a |
|---|
| <img src=x onerror="window.pwned = 9"> |

- a
  ```
out of the fence ![leak](https://evil.example/fence.png) <img src=https://evil.example/fence2.png>

[ref]: https://evil.example/reference.png
"""
VALUE = '"><img src=https://evil.example/x.png onerror="window.pwned=10"><script>window.pwned=11</script>![x](https://evil.example/y.png)'
DOCUMENT: dict[str, Any] = {
    "summary": VALUE,
    "__proto__": {"polluted": True},
    "constructor": {"prototype": {"polluted": True}},
    VALUE: VALUE,
    "stories": [
        {"id": VALUE, "title": VALUE, "as_a": {"toString": 1},
         "acceptance_criteria": [{"basis": "constructor", "then": VALUE}]}
    ],
    "gaps": [{"severity": "constructor", "question": VALUE, "description": [VALUE]}, None],
    "quality": {"a": 1, "b": 2, "c": 3, "total": 6, "verdict": "__proto__"},
    "coverage": [{"requirement": VALUE, "status": "toString"}, 7],
    "code": f"{VALUE}\n```\n{VALUE};",
}  # fmt: skip
ACTING = (
    ".run-body :is(script, img, iframe, svg:not(.icon):not(.bar-drawing), style, form, object, embed, link, base,"
    " [style])"
)
HANDLERS = """() => [...document.querySelectorAll('main *')].flatMap((each) => [...each.attributes])
  .filter(({name, value}) => name.startsWith('on') || /^\\s*(javascript|data|vbscript):/i.test(value)).length"""


def check(page: Page) -> None:
    """The page shows the text and nothing of it acts; requests and complaints are judged by the fixture."""
    expect(page.locator(".run-body")).to_contain_text("window.pwned")
    assert page.locator(ACTING).count() == 0
    assert page.evaluate(HANDLERS) == 0
    assert page.evaluate("[window.pwned, ({}).polluted]") == [None, None]
    assert page.locator(".run-body").is_visible()


def exported(page: Page, button: str, tmp_path: Path) -> str:
    """Return what a download button gives."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    download.value.save_as(tmp_path / "export")
    return (tmp_path / "export").read_text()


@pytest.fixture(scope="module")
def hostile(portal: Portal) -> dict[str, str]:
    """Agents that answer with hostile text and with a hostile document."""
    portal.provider.control(answers={"hostile-text": TEXT, "hostile-document": json.dumps(DOCUMENT)})
    return {
        "text": portal.scripted("named=hostile-text,chunks=60,interval=15").agent_id,
        "document": portal.scripted(
            "named=hostile-document,chunks=90,interval=15", output_schema={"type": "object"}
        ).agent_id,
    }


@pytest.mark.parametrize("kind", ["text", "document"])
def test_p36_hostile_output__on_every_page__is_inert(
    open_page: Open, hostile: dict[str, str], kind: str, tmp_path: Path
) -> None:
    page = open_page(f"/agents/{hostile[kind]}/")
    start(page, VALUE)
    expect(page.locator(".run-head")).to_contain_text("Completed")
    check(page)
    saved = exported(page, "Markdown", tmp_path)
    assert "\x1b" not in saved
    # An escaped character is text, and so is what a fenced block holds.
    active = re.sub(r"\\.|^(`{4,}).*?^\1$", "", saved, flags=re.DOTALL | re.MULTILINE)
    for acting in ("<script", "<img", "<iframe", "<svg", "<style", "<form", "![", "](javascript"):
        assert acting not in active
    json.loads(exported(page, "JSON", tmp_path))
    page.goto(page.locator(".run-foot a").get_attribute("href") or "")
    check(page)
    page.goto("/runs/")
    assert page.evaluate("window.pwned") is None
    page.goto("/")
    assert page.evaluate("window.pwned") is None

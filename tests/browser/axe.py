"""What axe-core finds wrong with a page, in words. It comes in by the debugger's door, so the strict CSP stays on."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

THEMES = ("light", "dark")
#: Desktop and phone.
SIZES = ((1280, 900), (390, 844))
#: The theme has arrived and been painted, and what moves for a moment has stopped.
SETTLED = """async (theme) => {
  await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
  const moving = document.getAnimations().filter((each) => each.effect.getTiming().iterations !== Infinity);
  await Promise.allSettled(moving.map((each) => each.finished));
  return matchMedia(`(prefers-color-scheme: ${theme})`).matches;
}"""


def violations(page: Page, within: str = "html") -> list[str]:
    """Return every violation as "rule (impact): element": none of any impact is meant to stay."""
    page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(
        "(within) => axe.run(within).then((result) => result.violations)", within
    )
    return [
        f"{each['id']} ({each['impact']}): {' '.join(map(str, node['target']))}"
        for each in found
        for node in each["nodes"][:5]
    ]


def everywhere(page: Page) -> dict[str, list[str]]:
    """Return the violations of a page in light and dark, on desktop and phone, and whether it scrolls sideways."""
    wrong = {}
    for theme in THEMES:
        for width, height in SIZES:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(SETTLED, arg=theme)
            found = _judged(page)
            if found:
                # On a busy machine a theme may change under axe's eyes; what is wrong stays wrong.
                page.wait_for_timeout(1000)
                found = _judged(page)
            if found:
                wrong[f"{theme}, {width} px"] = found
    return wrong


def _judged(page: Page) -> list[str]:
    found = violations(page)
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("the page scrolls sideways")
    return found

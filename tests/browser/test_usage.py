"""The usage page in a browser: chart, table and file tell the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.axe import everywhere
from tests.browser.conftest import Open
from tests.connections import as_platform
from tests.portal import Portal

pytestmark = pytest.mark.browser

TENANT = "spare_1"
AGENTS = (
    "baconsultant",
    "qaconsultant",
    "logreader",
    "securityscanner",
    "dbconsultant",
    "automationconsultant",
)
LOG = """INSERT INTO agent_execution_log VALUES (gen_random_uuid(), %s, (SELECT id FROM tenants_tenant
 WHERE schema_name = %s), gen_random_uuid(), '1.0.0', 'stable', '', 'openai', 'm', %s, %s, %s, false, 1, 1, %s, '', '',
 false, false, %s)"""


@pytest.fixture(scope="module")
def used(portal: Portal) -> int:
    """Log rows of six agents on ten days; returns their tokens."""
    total, now = 0, datetime.now(UTC)
    with as_platform() as connection:
        for rank, agent in enumerate(AGENTS):
            for day in range(10):
                tokens = 1000 * (6 - rank) + day
                status = "error" if day == 3 else "success"
                row = [agent, TENANT, tokens, tokens - 1, 1, status, now - timedelta(days=3 * day)]
                connection.execute(LOG, row)
                total += tokens
    return total


@pytest.mark.parametrize("role", ["dev", "viewer"])
def test_usage__role_without_metrics__is_forbidden_and_not_offered(open_page: Open, role: str) -> None:
    page = open_page("/settings/usage/", role=role, tenant=TENANT)
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    page.goto("/runs/")
    expect(page.get_by_role("link", name="Usage")).to_have_count(0)


def test_usage__in_light_and_dark_on_desktop_and_phone__has_no_violation(open_page: Open, used: int) -> None:
    page = open_page("/settings/usage/", role="owner", tenant=TENANT)
    page.get_by_text("The same as a table").click()
    assert everywhere(page) == {}


@pytest.mark.parametrize("view", [{}, {"viewport": {"width": 390, "height": 844}}], ids=["desktop", "phone"])
def test_usage__chart_and_table_and_file__tell_the_same(
    open_page: Open, used: int, view: dict[str, Any], tmp_path: Path
) -> None:
    page = open_page("/runs/", role="owner", tenant=TENANT, **view)
    page.get_by_role("link", name="Usage of 30 days").click()
    expect(page.get_by_role("img", name="Tokens by day and agent")).to_be_visible()
    assert page.locator(".usage-chart rect.series-5").count() == 10
    inside = "(table) => table.scrollWidth <= table.parentElement.clientWidth"
    assert page.locator(".usage-agents").evaluate(inside)
    page.get_by_text("The same as a table").focus()
    page.keyboard.press("Enter")
    cells = page.locator(".more-body tbody tr td:nth-last-child(3)").all_inner_texts()
    assert len(cells) == 30
    assert sum(int(cell.replace(",", "")) for cell in cells) == used
    agents = page.locator(".usage-agents tbody td.cell-main").all_inner_texts()
    assert [cell.splitlines()[-1].strip() for cell in agents] == list(AGENTS)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    saved = tmp_path / "usage.csv"
    download.value.save_as(saved)
    lines = saved.read_text("utf-8-sig").splitlines()[1:]
    assert sum(int(line.rpartition(",")[2]) for line in lines) == used

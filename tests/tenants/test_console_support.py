"""Support's look at a tenant's prompt in the console."""

from __future__ import annotations

import re

import httpx2 as httpx
import pytest

from tests.connections import as_platform
from tests.console import post
from tests.portal import Portal

pytestmark = pytest.mark.usefixtures("database")

RULES = "Number every requirement as REQ-<area>-<number> and keep the wording of ISO 13485 throughout."


def test_prompt__without_a_reason__is_not_shown(portal: Portal, support: httpx.Client) -> None:
    path, agent_id = prepared(portal, support)
    answer = post(support, path, agent=agent_id, reason="")
    assert RULES not in html(answer)


def test_prompt__with_a_reason__is_shown_and_in_the_tenants_own_trail(
    portal: Portal, support: httpx.Client
) -> None:
    path, agent_id = prepared(portal, support)
    answer = post(support, path, agent=agent_id, reason="Ticket 4711")
    assert answer.status_code == 200
    assert RULES in html(answer)
    query = """SELECT e.body::jsonb ->> 'reason', t.schema_name FROM audit_event e
               JOIN tenants_tenant t ON t.id = e.tenant_id
               WHERE e.action = 'agent_config.read_by_support' AND e.object_id = %s"""
    with as_platform() as connection:
        assert connection.execute(query, [agent_id]).fetchall() == [("Ticket 4711", "globex")]


def prepared(portal: Portal, support: httpx.Client) -> tuple[str, str]:
    """The address of the page, and an agent that the tenant has given a prompt of its own."""
    agent_id = portal.register()
    with portal.client("globex", "owner") as client:
        saved = client.put(f"/tenant/agents/{agent_id}/config", json={"custom_prompt": RULES})
        assert saved.status_code == 200
    listed = support.get("/admin/tenants/tenant/?q=globex").text
    found = re.search(r"/admin/tenants/tenant/([0-9a-f-]{36})/change/", listed)
    assert found is not None
    return f"tenants/tenant/{found[1]}/read_prompt/", agent_id


def html(answer: httpx.Response) -> str:
    return answer.text.replace("&lt;", "<").replace("&gt;", ">")

"""A tenant's own prompt is the tenant's own risk: its runs are marked, nobody else's are."""

from __future__ import annotations

import pytest

from tests.connections import as_platform
from tests.portal import Portal, wait_for

pytestmark = [pytest.mark.promise, pytest.mark.usefixtures("database")]

RULES = "Number every requirement as REQ-<area>-<number> and keep the wording of ISO 13485 throughout."


def test_failures__under_a_tenants_own_prompt__count_for_that_tenant_alone(portal: Portal) -> None:
    """P16, as far as configuration goes: the log says of each run whether the tenant had changed the agent."""
    agent = portal.scripted("status=500")
    with portal.client("globex", "owner") as client:
        body = {"custom_prompt": RULES}
        assert client.put(f"/tenant/agents/{agent.agent_id}/config", json=body).status_code == 200

    def customized() -> set[tuple[str, bool]]:
        query = """SELECT t.schema_name, l.customized FROM agent_execution_log l
                   JOIN tenants_tenant t ON t.id = l.tenant_id WHERE l.agent_id = %s"""
        for tenant in ("acme", "globex"):
            with portal.client(tenant) as client:
                client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
        with as_platform() as connection:
            return set(connection.execute(query, [agent.agent_id]).fetchall())

    wait_for(lambda: {("acme", False), ("globex", True)} <= customized(), 20, "both are logged")
    assert ("acme", True) not in customized()

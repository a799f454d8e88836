"""Counters against the ledger: drift is reported, and mended from the ledger at the next run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from agents.guard.reconcile import Drift, reconcile
from agents.models import GuardEvent
from qualisys import redis as qredis
from qualisys import tenancy
from tests.execution_log import rows
from tests.portal import Portal, wait_for

Tenants = dict[str, tenancy.Tenant]


def ran(portal: Portal, tenant: tenancy.Tenant, agent_id: str, times: int) -> None:
    """Run an agent so often and wait until all of it is written."""
    before = len(rows(tenant, agent_id=agent_id))
    with portal.client("spare_2") as client:
        for _ in range(times):
            assert client.post(f"/agents/{agent_id}/runs", json={"input": "x"}).status_code == 201
    wait_for(lambda: len(rows(tenant, agent_id=agent_id)) == before + times, 20, "the log rows")


def reconciled(tenant: tenancy.Tenant, agent_id: str) -> list[Drift]:
    """Compare an agent's counters with the ledger, as the nightly task does."""

    async def once() -> list[Drift]:
        try:
            return await reconcile(tenant.id, [agent_id])
        finally:
            await qredis.close()

    return [each for each in asyncio.run(once()) if each.agent_id == agent_id]


def test_reconcile__nothing_lost__no_drift(portal: Portal, tenants: Tenants) -> None:
    tenant, agent = tenants["spare_2"], portal.scripted("chunks=3,ptok=7").agent_id
    ran(portal, tenant, agent, 3)
    assert reconciled(tenant, agent) == []


def test_reconcile__counter_off__reported_and_counted_anew(portal: Portal, tenants: Tenants) -> None:
    tenant, agent = tenants["spare_2"], portal.scripted("chunks=3,ptok=7").agent_id
    ran(portal, tenant, agent, 2)
    today = datetime.now(UTC).date().isoformat()
    counter = f"token_budget:{tenant.id}:{agent}:{today}"
    qredis.sync_client().incrby(counter, 500)
    found = reconciled(tenant, agent)
    assert Drift(agent, today, 500) in found
    with tenancy.use(tenancy.platform("tests")):
        (event,) = GuardEvent.objects.filter(kind="budget.drift", agent_id=agent)
    assert event.detail == {"period": today, "tokens": 500}
    ran(portal, tenant, agent, 1)
    assert int(qredis.sync_client().get(counter) or 0) == 30

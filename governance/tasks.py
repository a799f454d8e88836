"""What may wait: tasks fetch and delegate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from agents import partitions, providers
from agents.guard.reconcile import reconcile
from agents.models import AgentDefinition
from governance.runs import background, watch
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.celery import PlatformTask, TenantTask, app
from qualisys.pulse import pulse
from tenants.models import Tenant, TenantStatus


@app.task(base=TenantTask, name="governance.execute_run", acks_late=True)
def execute_run(run_id: str) -> str:
    """Execute a queued run."""
    return asyncio.run(_execute(UUID(run_id)))


async def _execute(run_id: UUID) -> str:
    heart = pulse()
    heart.on_tick.append(watch.tick)
    await heart.start()
    try:
        return await background.execute(run_id)
    finally:
        await heart.stop()
        await providers.close()
        await qredis.close()


@app.task(base=PlatformTask, name="governance.ensure_partitions", queue="maintenance")
def ensure_partitions() -> list[str]:
    """Create the log's partitions three months ahead."""
    return partitions.ensure(datetime.now(UTC).date())


@app.task(base=PlatformTask, name="governance.mend_runs")
def mend_runs() -> None:
    """Look after background runs that got lost on their way, tenant by tenant."""
    for tenant in [row.values() for row in Tenant.objects.filter(status=TenantStatus.ACTIVE)]:
        with tenancy.use(tenant):
            background.mend()


@app.task(base=PlatformTask, name="governance.reconcile_budgets")
def reconcile_budgets() -> dict[str, int]:
    """Compare what the guard has counted with the ledger, tenant by tenant; return how many counters drifted."""
    agents = list(AgentDefinition.objects.values_list("agent_id", flat=True))
    tenants = Tenant.objects.filter(status=TenantStatus.ACTIVE).values_list("schema_name", "id")
    return asyncio.run(_reconcile(agents, list(tenants)))


async def _reconcile(agents: list[str], tenants: list[tuple[str, UUID]]) -> dict[str, int]:
    try:
        drifts = {name: await reconcile(tenant_id, agents) for name, tenant_id in tenants}
    finally:
        await qredis.close()
    return {name: len(found) for name, found in drifts.items() if found}

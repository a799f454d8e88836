"""What may wait: tasks fetch and delegate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from agents import partitions, providers
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

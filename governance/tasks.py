"""What may wait: tasks fetch and delegate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from agents import partitions, providers
from governance.runs import background
from qualisys import redis as qredis
from qualisys.celery import PlatformTask, TenantTask, app
from qualisys.pulse import pulse


@app.task(base=TenantTask, name="governance.execute_run", acks_late=True)
def execute_run(run_id: str, conversation_id: str | None, kind: str, credential: str, scopes: list[str]) -> str:
    """Execute a queued run."""
    return asyncio.run(_execute(run_id, conversation_id, kind, credential, scopes))


async def _execute(run_id: str, conversation_id: str | None, kind: str, credential: str, scopes: list[str]) -> str:
    from governance.runs import watch

    heart = pulse()
    heart.on_tick.append(watch.tick)
    await heart.start()
    try:
        return await background.execute(run_id, conversation_id, kind, credential, scopes)
    finally:
        await heart.stop()
        await providers.close()
        await qredis.close()


@app.task(base=PlatformTask, name="governance.ensure_partitions", queue="maintenance")
def ensure_partitions() -> list[str]:
    """Create the log's partitions three months ahead."""
    return partitions.ensure(datetime.now(UTC).date())

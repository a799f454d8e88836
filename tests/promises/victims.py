"""Processes that die with a lease in hand: `python -m tests.promises.victims <tenant> <agent> <times>`.

Each is a child of its own, killed without warning the moment it has been admitted. Prints their runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import django

django.setup()

from agents.guard import Grant, Lease, admit  # noqa: E402
from qualisys.ids import uuid7  # noqa: E402
from tests import guarding  # noqa: E402

GRANT = Grant(tokens=100, output_tokens=60, cost_micros=0)


def begun(run: UUID, tenant: UUID, agent_id: str, conversation: UUID) -> dict[str, Any]:
    """Return what a process leaves to whoever ends its run."""
    return {
        "run_id": str(run), "tenant_id": str(tenant), "user_id": str(uuid4()), "agent_id": agent_id,
        "version": "1.0.0", "version_reason": "stable", "content_hash": "0" * 64, "provider": "openai", "model": "m",
        "demo": False, "fallback_from": "", "shadow_code": "", "cost_micros": 0, "customized": False,
        "config_revision": 0, "prompt_hash": "", "conversation_id": str(conversation), "input": "x",
        "documents": [], "parameters": {}, "created_at": datetime.now(UTC).isoformat(),
        "granted": {"tokens": GRANT.tokens, "output_tokens": GRANT.output_tokens, "cost_micros": 0},
    }  # fmt: skip


async def take(run: UUID, tenant: UUID, agent_id: str) -> None:
    plan = guarding.plan(tenant_id=tenant, agent_id=agent_id, seeded_before=True)
    lease = Lease(run, tenant, agent_id, uuid4())
    payload = begun(run, tenant, agent_id, lease.conversation_id)
    await admit(lease, plan, GRANT, epochs={}, process=f"victim-{run}", payload=payload)
    os.kill(os.getpid(), signal.SIGKILL)


def main(tenant: UUID, agent_id: str, times: int) -> None:
    for _ in range(times):
        run = uuid7()
        if (child := os.fork()) == 0:
            asyncio.run(take(run, tenant, agent_id))
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        print(run)


if __name__ == "__main__":
    main(UUID(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

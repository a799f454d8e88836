"""P10: processes killed between reserving and settling: the reservation ends, is charged once, and all agree."""

from __future__ import annotations

import os
import subprocess
import sys
from uuid import UUID

import pytest

from agents import ledger
from agents.models import ExecutionLog
from qualisys import redis as qredis
from qualisys import tenancy
from tests.conftest import FULL
from tests.execution_log import rows
from tests.portal import ROOT, Portal, wait_for

pytestmark = pytest.mark.promise

TIMES = 200 if FULL else 12
#: What each killed run had reserved: all of it is charged, because nobody knows what was used.
RESERVED = 100


def killed(tenant_id: UUID, agent_id: str) -> list[str]:
    """Let processes take leases, kill each as soon as it has one, and return their runs."""
    command = [sys.executable, "-m", "tests.promises.victims", str(tenant_id), agent_id, str(TIMES)]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_p10_killed__between_reserve_and_settle__charged_once_and_everybody_agrees(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    """P10: counters, ledger and log say the same, and no place stays taken."""
    tenant = tenants["spare_3"]
    agent_id = portal.register()
    with portal.client("spare_3") as client:
        assert (
            client.post(f"/agents/{agent_id}/runs", json={"input": "seeds the counters"}).status_code == 201
        )
    (first,) = wait_rows(tenant, agent_id, 1)
    runs = killed(tenant.id, agent_id)
    assert len(set(runs)) == TIMES
    found = wait_rows(tenant, agent_id, TIMES + 1)
    reaped = [row for row in found if row.pk != first.pk]
    assert {str(row.id) for row in reaped} == set(runs)
    assert {(row.status, row.error_code, row.tokens_used, row.usage_estimated) for row in reaped} == {
        ("error", "worker_lost", RESERVED, True)
    }
    redis = qredis.sync_client()
    day = first.created_at.date()
    expected = TIMES * RESERVED + first.tokens_used
    (used,) = [each for each in ledger.used(tenant.id, day, [])[0] if each.agent_id == agent_id]
    assert used.day_tokens == expected
    assert int(redis.get(f"token_budget:{tenant.id}:{agent_id}:{day}") or 0) == expected
    assert redis.hget(f"running:{tenant.id}", agent_id) is None
    assert redis.zcard(f"live:{tenant.id}") == 0


def wait_rows(tenant: tenancy.Tenant, agent_id: str, count: int) -> list[ExecutionLog]:
    wait_for(lambda: len(rows(tenant, agent_id=agent_id)) >= count, 120, f"{count} log rows")
    return rows(tenant, agent_id=agent_id)

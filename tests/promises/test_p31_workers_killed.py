"""P31: worker and broker killed again and again: one effect per job, and what cannot be done is set aside."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta
from typing import cast

import pytest
from django.core.management import call_command

from governance import dead_letters
from governance.runs import background
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.celery import DEAD, DELIVERIES, TENANT_HEADER, app
from tests import embedded
from tests.conftest import FULL
from tests.execution_log import rows, stored
from tests.portal import Portal, wait_for

pytestmark = pytest.mark.promise

Tenants = dict[str, tenancy.Tenant]
KILLS = 200 if FULL else 4
ENDED = {"completed", "failed"}


def kill_broker() -> None:
    assert embedded.RUNNING is not None
    valkey = next(server for server in embedded.RUNNING.running if server.name == "Valkey")
    os.kill(valkey.pid, signal.SIGKILL)
    valkey.revive()
    valkey.wait_ready()


def asked(portal: Portal, agent_id: str) -> str | None:
    with portal.client("spare_0") as client:
        answer = client.post(
            f"/agents/{agent_id}/runs", json={"input": "x"}, headers={"Prefer": "respond-async"}
        )
    return str(answer.json()["run_id"]) if answer.status_code == 202 else None


def test_p31_jobs__worker_and_broker_killed__one_effect_each(
    portal: Portal, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P31: every job that was accepted ends once, with one row, whatever died meanwhile."""
    if not FULL:
        monkeypatch.setattr(background, "LOST", timedelta(seconds=10))
    tenant, agent = tenants["spare_0"], portal.scripted("chunks=5,interval=20")
    chance = random.Random(31)
    accepted: list[str] = []
    for kill in range(KILLS):
        accepted += [run for run in (asked(portal, agent.agent_id) for _ in range(2)) if run]
        time.sleep(chance.uniform(0, 1))
        if kill % 4 == 3:
            kill_broker()
        else:
            portal.others["runner"].restart()
    assert accepted

    def over() -> bool:
        with tenancy.use(tenant):
            background.mend()
        return {run.status for run in stored(tenant, pk__in=accepted)} <= ENDED

    # What a dead worker had claimed is looked after once it counts as lost.
    wait_for(over, background.LOST.total_seconds() + 90 + KILLS * 2, "the end of every job")
    assert len(stored(tenant, pk__in=accepted)) == len(accepted)
    logged = Counter(str(row.id) for row in rows(tenant, agent_id=agent.agent_id))
    assert max(logged.values()) == 1
    completed = [str(run.pk) for run in stored(tenant, pk__in=accepted, status="completed")]
    assert set(completed) <= set(logged)
    # Each job reached the model once at most.
    assert portal.provider.stats(agent.model)["requests"] <= len(accepted)


def test_p31_poison__set_aside_with_its_error__and_sent_again_once_mended(
    portal: Portal, tenants: Tenants
) -> None:
    """P31: a message that cannot be done ends where people see it; sent again, it does its work once."""
    tenant = tenants["spare_0"]
    header = {TENANT_HEADER: [str(tenant.id), tenant.schema]}
    app.send_task("governance.execute_run", ["no id at all"], headers=header)
    wait_for(
        lambda: any("no id at all" in each.what for each in dead_letters.letters("tasks")), 60, "the letter"
    )
    (letter,) = [each for each in dead_letters.letters("tasks") if "no id at all" in each.what]
    assert "ValueError" in letter.error
    call_command("dead_letters", "replay", letter.id)
    wait_for(lambda: _newer(letter.id), 60, "the letter again")
    assert letter.id not in {each.id for each in dead_letters.letters("tasks")}


def _newer(old: str) -> bool:
    return any("no id at all" in each.what and each.id != old for each in dead_letters.letters("tasks"))


def test_p31_poison__that_kills_its_worker__is_delivered_a_few_times_only(
    portal: Portal, tenants: Tenants
) -> None:
    """P31: what no worker survives is set aside instead of taking them down for ever."""
    tenant, task_id = tenants["spare_0"], "31313131-0000-4000-8000-000000000031"
    qredis.sync_client().set(f"task:tries:{task_id}", DELIVERIES)
    header = {TENANT_HEADER: [str(tenant.id), tenant.schema]}
    app.send_task("governance.execute_run", ["x"], headers=header, task_id=task_id)

    def is_aside() -> bool:
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", qredis.sync_client().xrange(DEAD))
        return any(fields[b"of"] == task_id.encode() for _, fields in found)

    wait_for(is_aside, 60, "the message that was delivered too often")

"""P30: PostgreSQL killed and back under load: every run that was answered is in the log, and soon all is as before."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from django.db import OperationalError, connections

from qualisys import tenancy
from qualisys.embedded.server import Server
from tests import embedded, guarding
from tests.conftest import FULL
from tests.execution_log import rows
from tests.portal import Portal, wait_for

pytestmark = pytest.mark.promise

#: Seconds until new rows are written again.
OVER = 10.0 if FULL else 60.0
THREADS = 8 if FULL else 3


def postgresql() -> Server:
    assert embedded.RUNNING is not None
    return next(server for server in embedded.RUNNING.running if server.name != "Valkey")


def test_p30_postgresql__killed_under_load__no_answered_run_is_missing(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    """P30: runs go on meanwhile, because none of them waits for the database."""
    agent = portal.scripted("chunks=1").agent_id
    guarding.limit(tenant=tenants["spare_1"], runs_per_minute=1_000_000)
    answered: list[str] = []
    over = threading.Event()

    def ask() -> None:
        with portal.client("spare_1") as client:
            while not over.is_set():
                answer = client.post(f"/agents/{agent}/runs", json={"input": "x"})
                if answer.status_code == 201:
                    answered.append(answer.json()["run_id"])
                else:
                    time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answered) > 20, 30, "some runs")
    os.kill(postgresql().pid, signal.SIGKILL)
    before = len(answered)
    wait_for(lambda: len(answered) > before + 20, 30, "runs without a database")
    postgresql().revive()
    postgresql().wait_ready()
    back = time.monotonic()
    newest = answered[-1]
    wait_for(lambda: _is_logged(tenants["spare_1"], newest), OVER, "the log is written again")
    assert time.monotonic() - back < OVER
    time.sleep(0.5)
    over.set()
    for thread in threads:
        thread.join(30)
    connections.close_all()
    wait_for(lambda: len(rows(tenants["spare_1"], agent_id=agent)) >= len(answered), 30, "every row")
    assert {str(row.id) for row in rows(tenants["spare_1"], agent_id=agent)} == set(answered)
    wait_for(lambda: _reads(portal), OVER, "the pages of the database")
    assert [_reads(portal) for _ in range(20)] == [True] * 20, "a connection that was cut met a request"


def _reads(portal: Portal) -> bool:
    with portal.client(None) as client:
        return client.get("/admin/agents").status_code == 200


def _is_logged(tenant: tenancy.Tenant, run_id: str) -> bool:
    try:
        return bool(rows(tenant, id=run_id))
    except OperationalError:
        connections.close_all()  # this process' own was cut too
        return False

"""P11: Redis killed or flushed under the guard: refused at once, nothing is called, and soon all is as it was.

A frozen one is in tests/governance/test_guard_away.py.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from agents import ledger
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.embedded.server import Server
from tests import embedded
from tests.conftest import FULL
from tests.execution_log import rows
from tests.portal import Portal, Scripted, wait_for

pytestmark = pytest.mark.promise

#: Seconds for a refusal (99 of 100), and until it is over.
AT_ONCE, OVER = (0.25, 5.0) if FULL else (2.5, 50.0)
#: Tokens of one run of the scripted model.
EACH = 10


class Answer(NamedTuple):
    """When a run was asked for, how long the answer took, its status and code."""

    began: float
    seconds: float
    status: int
    code: str


def valkey() -> Server:
    assert embedded.RUNNING is not None
    return next(server for server in embedded.RUNNING.running if server.name == "Valkey")


@contextmanager
def asking(portal: Portal, agent: Scripted) -> Iterator[list[Answer]]:
    """Ask for runs one after the other during the block, once some have come through."""
    answers: list[Answer] = []
    over = threading.Event()

    def ask() -> None:
        with portal.client("spare_2") as client:
            while not over.is_set():
                began = time.monotonic()
                answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
                seconds = time.monotonic() - began
                answers.append(Answer(began, seconds, answer.status_code, answer.json().get("code", "")))
                if answer.status_code == 503:
                    assert int(answer.headers["Retry-After"]) > 0
                    time.sleep(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        wait_for(lambda: sum(each.status == 201 for each in answers) > 10, 30, "some runs")
        yield answers
    finally:
        over.set()
        thread.join(60)


def flush() -> None:
    qredis.sync_client().flushall()


def kill() -> None:
    os.kill(valkey().pid, signal.SIGKILL)
    time.sleep(0.5)
    valkey().revive()
    valkey().wait_ready()


@pytest.mark.parametrize("trouble", [flush, kill])
def test_p11_redis__flushed_or_killed__refused_at_once_and_soon_counted_from_the_ledger(
    portal: Portal, tenants: dict[str, tenancy.Tenant], trouble: Callable[[], None]
) -> None:
    """P11: every run that was answered is charged once, and what was not written down yet is not forgotten."""
    agent, tenant = portal.scripted("chunks=3,ptok=7"), tenants["spare_2"]
    with asking(portal, agent) as answers:
        since = time.monotonic()
        trouble()
        back = time.monotonic()

        def recovered() -> bool:
            return [each.status for each in answers[-5:]] == [201] * 5 and answers[-5].began > back

        wait_for(recovered, 60, "runs as before")
    later = [each for each in answers if each.began >= since]
    refused = sorted(each.seconds for each in later if each.status != 201)
    assert {each.code for each in later if each.status != 201} == {"guard_unavailable"}
    assert refused[int(len(refused) * 0.99)] < AT_ONCE
    assert max(each.began for each in later if each.status != 201) - back < OVER

    done = sum(each.status == 201 for each in answers)
    assert portal.provider.stats(agent.model)["requests"] == done
    wait_for(lambda: len(rows(tenant, agent_id=agent.agent_id)) >= done, 30, "the log rows")
    assert [row.status for row in rows(tenant, agent_id=agent.agent_id)] == ["success"] * done
    day = datetime.now(UTC).date()
    (used,) = [each for each in ledger.used(tenant.id, day, [])[0] if each.agent_id == agent.agent_id]
    counted = qredis.sync_client().get(f"token_budget:{tenant.id}:{agent.agent_id}:{day}")
    assert used.day_tokens == int(counted or 0) == done * EACH

"""From the spool to the database: every entry once, whatever happens to an entry, a writer or the database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest

from agents.guard.admission import SPOOL
from governance.models import Conversation, Run
from governance.runs import spool
from qualisys import redis as qredis
from qualisys import tenancy
from tests.execution_log import row, rows, stored
from tests.portal import ROOT, Portal, wait_for
from tests.promises.test_p27_partitions import entry as entry_at

Tenants = dict[str, tenancy.Tenant]


def entry(tenant: tenancy.Tenant, **fields: Any) -> dict[str, Any]:
    """Return an entry of a run that has just ended."""
    return {**entry_at(tenant, datetime.now(UTC)), "agent_id": "spooled", **fields}


def add(*entries: dict[str, Any] | bytes) -> None:
    for each in entries:
        raw = each if isinstance(each, bytes) else orjson.dumps(each)
        qredis.sync_client().xadd(SPOOL, {"entry": raw})


def dead() -> list[bytes]:
    found: Any = qredis.sync_client().xrange(spool.DEAD)
    return [fields[b"entry"] for _, fields in found]


@pytest.fixture
def relay_away(portal: Portal) -> Iterator[None]:
    """Stop the relay, so that the spool is the test's alone."""
    portal.others["relay"].stop()
    yield
    portal.others["relay"].restart()


def drained() -> int:
    """Drain as a relay would, until nothing waits."""
    total = 0
    while (count := spool.drain("test")) or qredis.sync_client().xlen(SPOOL):
        total += count
    return total


@pytest.mark.parametrize(
    "poison",
    [b"", b"not json", b"7", b"[]", b"{}", b'{"run_id": "x"}', b"\xff\xfe"],
)
@pytest.mark.usefixtures("relay_away")
def test_drain__entry_that_is_none__set_aside_and_the_others_stored(tenants: Tenants, poison: bytes) -> None:
    good = [entry(tenants["acme"]) for _ in range(3)]
    before = len(dead())
    add(good[0], poison, *good[1:])
    drained()
    assert [len(rows(tenants["acme"], id=each["run_id"])) for each in good] == [1, 1, 1]
    assert dead()[before:] == [poison]


@pytest.mark.parametrize(
    "fields",
    [{"status": "x" * 30}, {"created_at": "some day"}, {"tenant_id": "nobody"}, {"input_tokens": 2**40},
     {"output": None}, {"input": 7}, {"user_id": None}],
)  # fmt: skip
@pytest.mark.usefixtures("relay_away")
def test_drain__entry_the_database_refuses__set_aside_and_the_others_stored(
    tenants: Tenants, fields: dict[str, Any]
) -> None:
    good, bad = [entry(tenants[slug]) for slug in ("acme", "globex")], entry(tenants["acme"], **fields)
    before = len(dead())
    add(good[0], bad, good[1])
    drained()
    assert [
        len(rows(tenants[slug], id=each["run_id"]))
        for slug, each in zip(("acme", "globex"), good, strict=True)
    ] == [1, 1]
    assert [orjson.loads(each)["run_id"] for each in dead()[before:]] == [bad["run_id"]]
    assert stored(tenants["acme"], pk=bad["run_id"]) == []


@pytest.mark.usefixtures("relay_away")
def test_drain__database_away__loses_and_sets_aside_nothing(tenants: Tenants) -> None:
    entries = [entry(tenants["acme"]) for _ in range(5)]
    before = len(dead())
    add(*entries)
    code = "import django; django.setup(); from governance.runs import spool; spool.drain('unlucky')"
    env = {
        **os.environ,
        "DATABASE_URL": "postgresql://app:x@127.0.0.1:9/none",
        "DJANGO_SETTINGS_MODULE": "qualisys.settings",
    }
    failed = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True)
    assert failed.returncode != 0
    assert (len(dead()), qredis.sync_client().xlen(SPOOL)) == (before, 5)
    wait_for(lambda: drained() or not qredis.sync_client().xlen(SPOOL), 30, "the take-over")
    assert [len(rows(tenants["acme"], id=each["run_id"])) for each in entries] == [1] * 5


def test_write__twice__stores_once(tenants: Tenants) -> None:
    entries = [entry(tenants["acme"]), entry(tenants["globex"])]
    spool.write([*entries, *entries])
    spool.write(entries)
    for slug, each in zip(("acme", "globex"), entries, strict=True):
        assert (
            len(rows(tenants[slug], id=each["run_id"])) == len(stored(tenants[slug], pk=each["run_id"])) == 1
        )
        other = "globex" if slug == "acme" else "acme"
        assert not rows(tenants[other], id=each["run_id"])
        assert not stored(tenants[other], pk=each["run_id"])


def test_write__tenant_deleted_meanwhile__keeps_the_log_row_and_the_others(tenants: Tenants) -> None:
    gone = tenancy.Tenant(uuid4(), "gone_tenant", "Gone")
    lost, kept = entry(gone), entry(tenants["acme"])
    spool.write([lost, kept])
    assert len(rows(gone, id=lost["run_id"])) == 1
    assert len(stored(tenants["acme"], pk=kept["run_id"])) == 1


def test_write__turns_of_one_conversation_in_one_batch__named_after_the_first(tenants: Tenants) -> None:
    conversation = str(uuid4())
    turns = [
        entry(tenants["acme"], conversation_id=conversation, input=f"turn {number}") for number in range(3)
    ]
    spool.write(turns)
    with tenancy.use(tenants["acme"]):
        assert Conversation.objects.get(pk=conversation).title == "turn 0"
        assert Run.objects.filter(conversation_id=conversation).count() == 3


def test_write__first_run_of_an_agent__is_noted_once(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted().agent_id

    def first() -> Any:
        with portal.client(None) as client:
            return client.get(f"/admin/agents/{agent}").json()["first_execution_at"]

    assert first() is None
    with portal.client() as client:
        for _ in range(2):
            row(tenants["acme"], client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()["run_id"])
    assert first() is not None

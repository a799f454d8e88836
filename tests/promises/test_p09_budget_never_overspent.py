"""P09: many reservations at once, from several processes: not one token over the limit."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from qualisys import redis as qredis
from tests import guarding
from tests.conftest import FULL

pytestmark = pytest.mark.promise

PROCESSES, TOKENS = 4, 100
TIMES = 2_500 if FULL else 250
#: Room for three reservations of ten, and not for a whole one at its end.
LIMIT = PROCESSES * TIMES * TOKENS * 3 // 10 + TOKENS // 2


def granted(tenant: UUID, *, naive: bool) -> int:
    """Return the tokens that all processes were granted together."""
    told = {
        "do": "reserve",
        "tenant": tenant,
        "limit": LIMIT,
        "times": TIMES,
        "tokens": TOKENS,
        "naive": naive,
    }
    found = guarding.contend("tests.promises.contenders", PROCESSES, **told)
    return sum(int(each["got"]) for each in found) * TOKENS


def test_reservations__from_four_processes_at_once__fill_the_budget_and_never_more() -> None:
    """P09: the guard grants as much as fits, counts exactly that, and not a token more."""
    tenant = uuid4()
    total = granted(tenant, naive=False)
    assert total == LIMIT // TOKENS * TOKENS
    client = qredis.sync_client()
    (key,) = client.scan_iter(f"token_budget:{tenant}:20??-??-??", count=10_000)
    assert int(client.get(key) or 0) == total


def test_reservations__checked_then_recorded__overspend() -> None:
    """P09: the same contenders find the race in the obvious way of doing it."""
    assert granted(uuid4(), naive=True) > LIMIT

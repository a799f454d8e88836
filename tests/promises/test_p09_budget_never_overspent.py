"""P09: many reservations at once, from several processes: not one token over the limit."""

from __future__ import annotations

from uuid import uuid4

import pytest

from qualisys import redis as qredis
from tests import guarding
from tests.conftest import FULL

pytestmark = pytest.mark.promise

PROCESSES, TOKENS = 4, 100
TIMES = 2_500 if FULL else 250
#: Room for about three reservations of ten: not for a whole one at its end, nor for a whole round of a process.
LIMIT = PROCESSES * TIMES * TOKENS * 3 // 10 + 37 * TOKENS + TOKENS // 2


@pytest.fixture(scope="module")
def granted() -> dict[str, int]:
    """The tokens that all processes were granted together, by the guard and in the naive way."""
    tenant = uuid4()
    told = {"do": "reserve", "tenant": tenant, "limit": LIMIT, "times": TIMES, "tokens": TOKENS}
    found = guarding.contend("tests.promises.contenders", PROCESSES, **told)
    counters = list(qredis.sync_client().scan_iter(f"token_budget:{tenant}:20??-??-??", count=10_000))
    counted = int(qredis.sync_client().get(counters[0]) or 0)
    return {
        "guard": sum(int(each["guard"]) for each in found) * TOKENS,
        "naive": sum(int(each["naive"]) for each in found) * TOKENS,
        "counted": counted,
    }


def test_reservations__from_four_processes_at_once__fill_the_budget_and_never_more(
    granted: dict[str, int],
) -> None:
    """P09: the guard grants as much as fits, counts exactly that, and not a token more."""
    assert granted["guard"] == granted["counted"] == LIMIT // TOKENS * TOKENS


def test_reservations__checked_then_recorded__overspend(granted: dict[str, int]) -> None:
    """P09: the same contenders find the race in the obvious way of doing it."""
    assert granted["naive"] > LIMIT

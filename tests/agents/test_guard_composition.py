"""The composition that the guard is measured beside does the job: else a ratio to it would mean nothing."""

from __future__ import annotations

import os

import redis

from benchmarks.composition import Composition

DATABASE = 8


async def test_composition__runs_that_end_well__books_what_was_used_and_keeps_what_was_answered() -> None:
    url = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{DATABASE}"
    server = redis.Redis.from_url(url, decode_responses=True)
    server.flushdb()
    composition = Composition(url)
    await composition.initialize()
    for number in range(3):
        await composition.whole("t", "a", "m", 4096, 500, str(number), b"result", b"entry")
    booked = {key: int(server.get(key) or 0) for key in server.scan_iter("LIMITS*/1/*")}
    days_and_months = [value for key, value in booked.items() if key.endswith(("day", "month"))]
    assert sorted(days_and_months) == [1500] * 4
    assert server.get("answer:2") == "result"
    assert server.xlen("handed") == 3
    assert server.get("under_way:t") == "0"
    assert set(server.scan_iter("cbr::*")) >= {"cbr::m", "cbr::a|m"}
    server.flushdb()

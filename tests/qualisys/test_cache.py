"""What a process may remember: loaded once, shared, and never kept past its epoch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from qualisys import cache
from qualisys import redis as qredis
from qualisys.cache import Cached
from qualisys.database.threads import in_thread

pytestmark = pytest.mark.usefixtures("database")


class Source:
    """A load that counts, and can be held up."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.value = "old"
        self.go = threading.Event()
        self.go.set()

    def __call__(self, key: str) -> str:
        self.loads.append(key)
        found = self.value
        self.go.wait(5)
        return found


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def topic() -> str:
    return uuid4().hex


@pytest.fixture(autouse=True)
async def disconnected() -> AsyncIterator[None]:
    yield
    await qredis.close()


def cached(source: Source, *topics: str, **options: Any) -> Cached[str, str]:
    return Cached(source, topics=lambda _: topics, **options)


async def bump(*topics: str) -> None:
    await in_thread(cache.bump, topics)


async def test_get__again__loads_once_and_peek_does_not_load(source: Source, topic: str) -> None:
    kept = cached(source, topic)
    assert kept.peek("k") is None
    assert [await kept.get("k"), await kept.get("k"), kept.peek("k")] == ["old"] * 3
    assert source.loads == ["k"]


async def test_get__by_many_at_once__loads_once(source: Source, topic: str) -> None:
    kept = cached(source, topic)
    source.go.clear()
    waiting = [asyncio.create_task(kept.get("k")) for _ in range(50)]
    await asyncio.sleep(0.05)
    source.go.set()
    assert set(await asyncio.gather(*waiting)) == {"old"}
    assert source.loads == ["k"]


async def test_get__whose_first_caller_gives_up__still_answers_the_others(source: Source, topic: str) -> None:
    kept = cached(source, topic)
    source.go.clear()
    first, second = asyncio.create_task(kept.get("k")), asyncio.create_task(kept.get("k"))
    await asyncio.sleep(0.05)
    first.cancel()
    source.go.set()
    assert await second == "old"


async def test_get__after_a_load_that_failed__tries_again(topic: str) -> None:
    answers: list[Any] = [RuntimeError("once"), "value"]

    def load(key: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    kept: Cached[str, str] = Cached(load, topics=lambda _: (topic,))
    with pytest.raises(RuntimeError, match="once"):
        await kept.get("k")
    assert await kept.get("k") == "value"


@pytest.mark.parametrize("which", [0, 1])
async def test_bump__of_any_of_its_topics__makes_an_entry_stale(
    source: Source, topic: str, which: int
) -> None:
    topics = (topic, f"{topic}-other")
    kept = cached(source, *topics)
    await kept.get("k")
    source.value = "new"
    await bump(uuid4().hex)
    assert await kept.get("k") == "old"
    await bump(topics[which])
    assert kept.peek("k") is None
    assert await kept.get("k") == "new"


async def test_bump__while_loading__leaves_nothing_stale_behind(source: Source, topic: str) -> None:
    """The epoch is read before the load, so what was read too early is never served again."""
    kept = cached(source, topic)
    source.go.clear()
    loading = asyncio.create_task(kept.get("k"))
    while not source.loads:  # noqa: ASYNC110 - the load is in a thread
        await asyncio.sleep(0.01)
    source.value = "new"
    await bump(topic)
    source.go.set()
    assert await loading == "old", "whoever asked before the change may see what was before"
    assert await kept.get("k") == "new"


async def test_epoch__lost_with_redis__makes_everything_stale(source: Source, topic: str) -> None:
    kept = cached(source, topic)
    await kept.get("k")
    source.value = "new"
    await qredis.client().call("HDEL", cache.HASH, topic)
    await cache.epochs.refresh()
    assert await kept.get("k") == "new"


async def test_shared_value__of_an_older_epoch__is_not_taken(source: Source, topic: str) -> None:
    name = f"shared:{topic}"
    options: dict[str, Any] = {"redis_key": lambda _: name, "ttl": 60, "dump": str, "parse": str}
    await cached(source, topic, **options).get("k")
    again = Source()
    assert await cached(again, topic, **options).get("k") == "old"
    assert again.loads == []
    again.value = "new"
    await bump(topic)
    assert await cached(again, topic, **options).get("k") == "new"


async def test_entries__beyond_the_size__are_forgotten_oldest_first(source: Source, topic: str) -> None:
    kept = cached(source, topic, size=3)
    for key in "abcd":
        await kept.get(key)
    assert [kept.peek(key) for key in "abcd"] == [None, "old", "old", "old"]


async def test_get__without_redis__asks_the_database_and_keeps_nothing(
    settings: Any, source: Source, topic: str
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    kept = cached(source, topic)
    assert [await kept.get("k"), await kept.get("k")] == ["old", "old"]
    assert source.loads == ["k", "k"]
    assert kept.peek("k") is None


def test_bump_quietly__without_redis__does_not_fail_the_writer(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    qredis.sync_client.cache_clear()
    try:
        cache.bump_quietly("anything")
    finally:
        qredis.sync_client.cache_clear()

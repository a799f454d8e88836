"""A process's heartbeat and ears."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import redis

from qualisys import cache
from qualisys import redis as qredis
from qualisys.pulse import LIFE, Pulse, pulse

REDIS = redis.Redis.from_url(os.environ["REDIS_URL"])


@pytest.fixture
async def heart() -> AsyncIterator[Pulse]:
    made = Pulse()
    await made.start()
    yield made
    await made.stop()
    await qredis.close()


async def until(condition: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is outside
            await asyncio.sleep(0.02)


async def test_process__alive__says_so_and_takes_it_back_at_its_end() -> None:
    made = Pulse()
    await made.start()
    assert 0 < REDIS.ttl(f"proc:{made.process}") <= LIFE
    await asyncio.sleep(1.2)
    assert REDIS.ttl(f"proc:{made.process}") > LIFE - 2, "renewed"
    await made.stop()
    assert not REDIS.exists(f"proc:{made.process}")
    await qredis.close()


async def test_epochs__changed_without_a_message__are_polled(heart: Pulse) -> None:
    topic = uuid4().hex
    REDIS.hset(cache.HASH, topic, "changed")
    await until(lambda: cache.epochs.known.get(topic) == "changed", 2)


async def test_epochs__told_by_message__are_learned_before_the_next_poll(heart: Pulse) -> None:
    topic = uuid4().hex
    await until(lambda: heart._pubsub is not None)
    for _ in range(100):
        REDIS.publish(cache.CHANNEL, f"{topic} told")
        await asyncio.sleep(0.01)
        if cache.epochs.known.get(topic) == "told":
            return
    pytest.fail("no message arrived")


async def test_subscription__cut__is_taken_up_again(heart: Pulse) -> None:
    channel = uuid4().hex
    await until(lambda: heart._pubsub is not None)
    REDIS.client_kill_filter(_type="pubsub")
    async with heart.hearing(channel) as heard:
        await until(lambda: REDIS.publish(channel, "x") and heard.is_set())


async def test_hearing__left__unsubscribes(heart: Pulse) -> None:
    channel = uuid4().hex
    async with heart.hearing(channel), heart.hearing(channel):
        await until(lambda: dict(REDIS.pubsub_numsub(channel))[channel.encode()] == 1)
    await until(lambda: dict(REDIS.pubsub_numsub(channel))[channel.encode()] == 0)


async def test_ticks__one_failing__does_not_stop_the_others(heart: Pulse) -> None:
    ticked = []

    async def fail() -> None:
        raise RuntimeError("on purpose")

    async def tick() -> None:
        ticked.append(True)

    heart.on_tick += [fail, tick]
    await until(lambda: len(ticked) >= 2)


async def test_epochs__without_redis__are_trusted_no_longer(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    cache.epochs.learn("anything", "known")
    made = Pulse()
    await made.start()
    await until(lambda: not cache.epochs.known)
    await made.stop()
    await qredis.close()


async def test_pulse__of_a_loop__is_one() -> None:
    assert pulse() is pulse()

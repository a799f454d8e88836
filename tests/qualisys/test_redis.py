"""One connection, many callers: answers in order, deadlines that hold, a way back after a loss."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
import redis

from qualisys.redis import DEADLINE, Redis, RedisUnavailable, Script


@pytest.fixture
async def client() -> AsyncIterator[Redis]:
    made = Redis(os.environ["REDIS_URL"])
    yield made
    await made.close()


@contextmanager
def frozen() -> Iterator[str]:
    """A server whose connections are taken by the kernel and answered by nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


async def test_call__without_a_server__is_unavailable_at_once() -> None:
    with pytest.raises(RedisUnavailable):
        await Redis("redis://127.0.0.1:1/0").call("PING")


async def test_call__to_a_frozen_server__is_unavailable_by_its_deadline() -> None:
    with frozen() as url:
        client = Redis(url)
        for _ in range(3):
            began = time.perf_counter()
            with pytest.raises(RedisUnavailable):
                await client.call("PING")
            assert time.perf_counter() - began < DEADLINE * 3
        await client.close()


async def test_call__refused_by_the_server__raises_what_it_said(client: Redis) -> None:
    with pytest.raises(redis.ResponseError, match="unknown command"):
        await client.call("NONSENSE")
    assert await client.call("PING") == b"PONG"


async def test_calls__a_thousand_at_once__get_each_their_own_answer(client: Redis) -> None:
    texts = [f"{number}-{uuid4().hex}" for number in range(1_000)]
    answers = await asyncio.gather(*(client.call("ECHO", text, deadline=5) for text in texts))
    assert [answer.decode() for answer in answers] == texts


async def test_call__that_ran_out_of_time__does_not_shift_the_answers_behind_it(client: Redis) -> None:
    key = uuid4().hex
    with pytest.raises(RedisUnavailable):
        await client.call("BLPOP", key, "0.3", deadline=0.05)
    assert await client.call("ECHO", "mine", deadline=2) == b"mine"


async def test_call__whose_caller_was_cancelled__does_not_shift_the_answers_behind_it(client: Redis) -> None:
    slow = asyncio.create_task(client.call("BLPOP", uuid4().hex, "0.2", deadline=5))
    await asyncio.sleep(0.02)
    slow.cancel()
    assert await client.call("ECHO", "mine", deadline=2) == b"mine"


async def test_connection__killed_by_the_server__comes_back_with_the_next_call(client: Redis) -> None:
    number = await client.call("CLIENT", "ID")
    waiting = asyncio.create_task(client.call("BLPOP", uuid4().hex, "5", deadline=5))
    await asyncio.sleep(0.02)
    redis.Redis.from_url(os.environ["REDIS_URL"]).client_kill_filter(_id=str(number))
    with pytest.raises(RedisUnavailable, match="lost"):
        await waiting
    assert await client.call("PING") == b"PONG"
    assert await client.call("CLIENT", "ID") != number


async def test_script__that_the_server_forgot__is_sent_again_in_full(client: Redis) -> None:
    script = Script(f"return {{KEYS[1], ARGV[1], '{uuid4().hex}'}}")
    for _ in range(2):
        assert (await client.run(script, ["key"], ["value"]))[:2] == [b"key", b"value"]
        await client.call("SCRIPT", "FLUSH")


async def test_script__sent_without_waiting__is_sent_in_full_again_where_it_was_forgotten(
    client: Redis,
) -> None:
    script = Script("return {'said', ARGV[1]}")
    await client.call("PING")
    for number in range(3):
        answer = client.run_soon(script, [], [number])
        assert answer is not None
        assert await answer == [b"said", b"%d" % number]
    await client.call("SCRIPT", "FLUSH")
    forgotten = client.run_soon(script, [], ["lost"])
    assert forgotten is not None
    with pytest.raises(redis.ResponseError, match="NOSCRIPT"):
        await forgotten
    again = client.run_soon(script, [], ["again"])
    assert again is not None
    assert await again == [b"said", b"again"]


async def test_script__that_fails__raises_what_it_said(client: Redis) -> None:
    with pytest.raises(redis.ResponseError, match="on purpose"):
        await client.run(Script("return redis.error_reply('on purpose')"), [], [])


async def test_values__of_any_bytes__come_back_unchanged(client: Redis) -> None:
    key, value = uuid4().hex, bytes(range(256)) * 4_000
    await client.call("SET", key, value, "EX", 5, deadline=2)
    assert await client.call("GET", key, deadline=2) == value

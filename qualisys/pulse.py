"""A process's heartbeat and ears: it says that it lives, polls what changed and listens for messages.

Twice a second it reads the epochs; once a second it renews `proc:<process>`, whose absence tells the reaper that
the runs of this process are orphans. Messages only make things faster: nothing depends on one arriving.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable

import redis.asyncio as aioredis
from django.conf import settings

from qualisys import cache
from qualisys import redis as qredis
from qualisys.redis import RedisUnavailable

logger = logging.getLogger(__name__)

#: Seconds without a heartbeat after which a process counts as dead.
LIFE = 5
TICK = 0.5

Tick = Callable[[], Awaitable[None]]


class Pulse:
    """The heartbeat of one process on one event loop."""

    def __init__(self) -> None:
        self.process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.on_tick: list[Tick] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._pubsub: aioredis.client.PubSub | None = None

    async def start(self) -> None:
        """Begin to beat; returns after the first beat if Redis is there."""
        with contextlib.suppress(RedisUnavailable):
            await self._beat()
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._listen())]

    async def stop(self) -> None:
        """Stop beating, as at the end of the process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(RedisUnavailable):
            await qredis.client().call("DEL", f"proc:{self.process}")

    @contextlib.asynccontextmanager
    async def hearing(self, channel: str):  # type: ignore[no-untyped-def]
        """Give an event that is set whenever something is said on `channel`."""
        event = asyncio.Event()
        self._waiting[channel].add(event)
        if self._pubsub is not None and len(self._waiting[channel]) == 1:
            with contextlib.suppress(Exception):
                await self._pubsub.subscribe(channel)
        try:
            yield event
        finally:
            self._waiting[channel].discard(event)
            if not self._waiting[channel]:
                del self._waiting[channel]
                if self._pubsub is not None:
                    with contextlib.suppress(Exception):
                        await self._pubsub.unsubscribe(channel)

    async def _run(self) -> None:
        beat = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if loop.time() - beat >= 1:
                    await self._beat()
                    beat = loop.time()
                else:
                    await cache.epochs.refresh()
            except RedisUnavailable:
                # What cannot be checked is not trusted: everything is read from the database until Redis is back.
                cache.epochs.known.clear()
            for tick in self.on_tick:
                try:
                    await tick()
                except RedisUnavailable:
                    pass
                except Exception:
                    logger.exception("a tick failed")
            await asyncio.sleep(TICK)

    async def _beat(self) -> None:
        await asyncio.gather(
            qredis.client().call("SET", f"proc:{self.process}", "1", "EX", LIFE), cache.epochs.refresh()
        )

    async def _listen(self) -> None:
        while True:
            client = aioredis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1)
            try:
                async with client, client.pubsub() as pubsub:
                    await pubsub.subscribe(cache.CHANNEL)
                    # From here on whoever begins to hear subscribes by itself; those from before are caught up with.
                    self._pubsub = pubsub
                    if self._waiting:
                        await pubsub.subscribe(*self._waiting)
                    async for message in pubsub.listen():
                        self._heard(message)
            except asyncio.CancelledError:
                raise
            except Exception:
                logger.warning("no messages from Redis; polling goes on")
            finally:
                self._pubsub = None
            await asyncio.sleep(TICK)

    def _heard(self, message: dict[str, object]) -> None:
        if message["type"] != "message":
            return
        channel = message["channel"]
        data = message["data"]
        assert isinstance(channel, bytes)
        assert isinstance(data, bytes)
        if channel == cache.CHANNEL.encode():
            topic, _, epoch = data.decode().rpartition(" ")
            cache.epochs.learn(topic, epoch)
            return
        for event in self._waiting.get(channel.decode(), ()):
            event.set()


_pulses: dict[asyncio.AbstractEventLoop, Pulse] = {}


def pulse() -> Pulse:
    """Return the running loop's pulse."""
    loop = asyncio.get_running_loop()
    found = _pulses.get(loop)
    if found is None:
        for closed in [each for each in _pulses if each.is_closed()]:
            del _pulses[closed]
        found = _pulses[loop] = Pulse()
    return found

"""What a process may remember, and how it learns within a second that it must forget.

Every cached value belongs to a topic, and every topic has an epoch: a random value in one Redis hash. A change
replaces the epoch; an entry loaded under another epoch is stale. A process learns epochs by message, by polling
twice a second and from every admitted run, so a lost message cannot keep a killed agent alive.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from time import monotonic
from typing import Any, Generic, TypeVar

import orjson

from qualisys import redis as qredis
from qualisys.database.threads import in_thread
from qualisys.redis import RedisUnavailable

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: The epochs of an entry's topics when it was loaded.
Epoch = tuple[str, ...]

HASH = "epochs"
CHANNEL = "epochs"
#: Topics that change for everybody; a tenant's own topic is its id.
AGENTS, TENANTS, PLATFORM = "agents", "tenants", "platform"
POLL_SECONDS = 0.5


class Epochs:
    """The epochs as this process knows them."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.checked = 0.0

    async def refresh(self) -> None:
        """Read every epoch from Redis; raise RedisUnavailable if it cannot be had."""
        flat = await qredis.client().call("HGETALL", HASH)
        pairs = iter(flat)
        self.known = {key.decode(): next(pairs).decode() for key in pairs}
        self.checked = monotonic()

    async def of(self, topic: str) -> str:
        """Return the epoch of `topic`, starting one where none exists (a flushed Redis makes all stale)."""
        epoch = self.known.get(topic)
        if epoch is None:
            redis = qredis.client()
            await redis.call("HSETNX", HASH, topic, secrets.token_hex(8))
            epoch = self.known[topic] = (await redis.call("HGET", HASH, topic)).decode()
        return epoch

    def forget(self, topic: str) -> None:
        """Make everything under `topic` stale in this process."""
        self.known.pop(topic, None)

    def learn(self, topic: str, epoch: str) -> None:
        """Take over an epoch that a message or an admitted run told."""
        self.known[topic] = epoch


epochs = Epochs()


def bump(topics: Iterable[str]) -> None:
    """Make everything cached under `topics` stale in every process (blocking; called after commit)."""
    client = qredis.sync_client()
    for topic in topics:
        epoch = secrets.token_hex(8)
        client.hset(HASH, topic, epoch)
        client.publish(CHANNEL, f"{topic} {epoch}")
        epochs.learn(topic, epoch)


def bump_quietly(*topics: str) -> None:
    """Bump right after a commit; if Redis is away the outbox relay will do it."""
    try:
        bump(topics)
    except Exception:
        logger.warning("could not announce a change of %s now; the outbox will", ", ".join(topics))


class Cached(Generic[K, V]):
    """An in-process cache over an optional Redis layer over a database load.

    `load` runs in a database thread and must enter its own tenancy context. `topics` names whose epochs an entry
    follows. With `redis_key` and `ttl` (seconds) the value is also shared between processes as JSON, through
    `dump` and `parse`.
    """

    def __init__(
        self,
        load: Callable[[K], V],
        *,
        topics: Callable[[K], tuple[str, ...]],
        size: int = 10_000,
        redis_key: Callable[[K], str] | None = None,
        ttl: int = 0,
        dump: Callable[[V], Any] | None = None,
        parse: Callable[[Any], V] | None = None,
    ) -> None:
        self._load, self._topics, self._size = load, topics, size
        self._redis_key, self._ttl, self._dump, self._parse = redis_key, ttl, dump, parse
        self._entries: OrderedDict[K, tuple[Epoch, V]] = OrderedDict()
        self._loading: dict[K, asyncio.Future[V]] = {}

    def peek(self, key: K) -> V | None:
        """Return the value if it is here and current, without awaiting."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and self._is_current(key, entry[0]) else None

    async def get(self, key: K) -> V:
        """Return the current value, loading it at most once at a time."""
        entry = self._entries.get(key)
        if entry is not None and self._is_current(key, entry[0]):
            return entry[1]
        loading = self._loading.get(key)
        if loading is not None and loading.get_loop() is asyncio.get_running_loop():
            return await asyncio.shield(loading)
        task = asyncio.ensure_future(self._fill(key))
        self._loading[key] = task
        try:
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._loading.pop(key, None)

    def _is_current(self, key: K, epoch: Epoch) -> bool:
        return tuple(map(epochs.known.get, self._topics(key))) == epoch

    async def _fill(self, key: K) -> V:
        try:
            # The epoch is read before the load: a change in between makes the entry stale, never wrong.
            epoch = tuple([await epochs.of(topic) for topic in self._topics(key)])
        except RedisUnavailable:
            return await in_thread(self._load, key)
        value: V
        value, found = await self._shared(key, epoch)
        if not found:
            value = await in_thread(self._load, key)
            await self._share(key, epoch, value)
        self._entries[key] = (epoch, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return value

    async def _shared(self, key: K, epoch: Epoch) -> tuple[Any, bool]:
        if self._redis_key is None or self._parse is None:
            return None, False
        try:
            raw = await qredis.client().call("GET", self._redis_key(key))
        except RedisUnavailable:
            return None, False
        if raw is None:
            return None, False
        stored = orjson.loads(raw)
        return (self._parse(stored["value"]), True) if tuple(stored["epoch"]) == epoch else (None, False)

    async def _share(self, key: K, epoch: Epoch, value: V) -> None:
        if self._redis_key is None or self._dump is None:
            return
        raw = orjson.dumps({"epoch": epoch, "value": self._dump(value)})
        try:
            await qredis.client().call("SET", self._redis_key(key), raw, "EX", self._ttl)
        except RedisUnavailable:
            logger.warning("the shared cache is away; %s is kept in this process only", self._redis_key(key))

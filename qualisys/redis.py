"""One connection, many callers: every command of one loop turn leaves in one write.

A pool of connections costs a lock and a socket per command; one multiplexed connection answers in order, so a
deque of futures is all the book-keeping. Every command has a deadline, because a frozen server is not a dead one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
import redis
from django.conf import settings

Arg = str | bytes | int | float

#: Seconds a command may take; its caller is told that Redis is unavailable at most WATCH seconds later.
DEADLINE = 0.2
#: Seconds between two looks for overdue commands.
WATCH = 0.05
#: Seconds after which a memory can be relied on: until then processes notice it and restore what they hold.
MEMORY_GRACE = 1.5
#: Seconds the oldest command may be unanswered before the connection counts as broken.
STALLED = 1.0


#: What a server answers that is there and cannot work: it loads its data, or it is a replica now.
AWAY = ("LOADING", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN")


class RedisUnavailable(Exception):  # noqa: N818
    """Redis is dead, frozen or unreachable; what needs it fails closed."""


class Script:
    """A Lua script, sent by its digest and once in full where the server does not know it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


#: ARGV the server's run id. `memory` names which server remembers, since when: a restart, a failover or a flush
#: begins another one, in which something may be missing.
REMEMBER = Script("""
local memory = redis.call('GET', 'memory')
if memory and string.match(memory, '^(.*):%d+$') == ARGV[1] then return 0 end
local t = redis.call('TIME')
redis.call('SET', 'memory', ARGV[1] .. ':' .. t[1] .. string.format('%03d', math.floor(tonumber(t[2]) / 1000)))
return 1
""")


class _Connection(asyncio.Protocol):
    """Answers in order: each command's future and deadline wait in one queue."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reader = hiredis.Reader()
        self.waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self.out: list[bytes] = []
        self.loop = asyncio.get_running_loop()
        self.heard = self.loop.time()
        self._watching: asyncio.TimerHandle | None = None
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        self.heard = self.loop.time()
        while (reply := self.reader.gets()) is not False:
            future, _ = self.waiting.popleft()
            if future.done():
                continue
            if isinstance(reply, hiredis.ReplyError):
                said = str(reply)
                away = said.startswith(AWAY)
                future.set_exception(RedisUnavailable(said) if away else redis.ResponseError(said))
            else:
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(lambda _: True, "the connection to Redis was lost")

    def send(self, *args: Arg, deadline: float = DEADLINE) -> asyncio.Future[Any]:
        now = self.loop.time()
        if not self.waiting:
            self.heard = now
        if not self.out:
            self.loop.call_soon(self._write)
        self.out.append(hiredis.pack_command(args))
        future = self.loop.create_future()
        self.waiting.append((future, now + deadline))
        if self._watching is None:
            self._watch()
        return future

    def _write(self) -> None:
        out, self.out = self.out, []
        if self.transport is not None:
            self.transport.write(b"".join(out))

    def _watch(self) -> None:
        self._due = self.loop.time() + WATCH
        self._watching = self.loop.call_later(WATCH, self._judge)

    def _judge(self) -> None:
        """Fail what is overdue; but when this loop itself was late, let it read what has come first."""
        self._watching = None
        now = self.loop.time()
        if now - self._due < WATCH:
            self._fail(lambda due: due <= now, "Redis did not answer in time")
        if self.waiting:
            self._watch()

    def _fail(self, overdue: Callable[[float], bool], why: str) -> None:
        for future, due in self.waiting:
            if not future.done() and overdue(due):
                future.set_exception(RedisUnavailable(why))
        if self.transport is None:
            self.waiting.clear()

    @property
    def usable(self) -> bool:
        """Not closed, and not silent for longer than STALLED while commands wait."""
        if self.transport is None or self.transport.is_closing():
            return False
        return not self.waiting or self.loop.time() - self.heard < STALLED


class Redis:
    """The multiplexed connection of one event loop; reconnects on the next command after a loss."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None
        #: Digests of scripts that this connection's server has been sent in full.
        self._sent: set[str] = set()
        self._run_id = ""

    async def remember(self) -> None:
        """Begin a new memory where the server has none: it was flushed."""
        await self.run(REMEMBER, (), [self._run_id])

    async def call(self, *args: Arg, deadline: float = DEADLINE) -> Any:
        """Send one command and return its reply (bytes, int, list or None).

        Raises RedisUnavailable after `deadline` seconds or without a server, redis.ResponseError for a refusal.
        """
        connection = self._connection
        if connection is None or not connection.usable:
            try:
                async with asyncio.timeout(deadline):
                    connection = await self._connect()
            except (TimeoutError, OSError) as error:
                raise RedisUnavailable("Redis cannot be reached") from error
        return await connection.send(*args, deadline=deadline)

    async def run(
        self, script: Script, keys: Sequence[Arg], args: Sequence[Arg], deadline: float = DEADLINE
    ) -> Any:
        """Run `script` atomically and return its reply."""
        try:
            return await self.call("EVALSHA", script.digest, len(keys), *keys, *args, deadline=deadline)
        except redis.ResponseError as error:
            if "NOSCRIPT" not in str(error):
                raise
            return await self.call("EVAL", script.source, len(keys), *keys, *args, deadline=deadline)

    def run_soon(
        self, script: Script, keys: Sequence[Arg], args: Sequence[Arg]
    ) -> asyncio.Future[Any] | None:
        """Send `script` behind everything sent so far, without waiting; None where there is no connection.

        For what may be repeated by the caller: it has no deadline and is not tried again.
        """
        connection = self._connection
        if connection is None or not connection.usable:
            return None
        if script.digest in self._sent:
            future = connection.send("EVALSHA", script.digest, len(keys), *keys, *args)
        else:
            self._sent.add(script.digest)
            future = connection.send("EVAL", script.source, len(keys), *keys, *args)
        future.add_done_callback(self._note)
        return future

    def _note(self, done: asyncio.Future[Any]) -> None:
        """Look at an answer that nobody may wait for: a lost one is no error, a server may have forgotten all."""
        if not done.cancelled() and isinstance(done.exception(), redis.ResponseError):
            self._sent.clear()

    async def close(self) -> None:
        """Close the connection; commands under way fail."""
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.close()
        self._connection = None

    async def _connect(self) -> _Connection:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._open())
            # Everyone who waited may have given up before it failed.
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._connecting)

    async def _open(self) -> _Connection:
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.abort()
        loop = asyncio.get_running_loop()
        url = self._url
        async with asyncio.timeout(2):
            if url.scheme == "unix":
                _, connection = await loop.create_unix_connection(_Connection, url.path)
            else:
                tls = True if url.scheme == "rediss" else None
                _, connection = await loop.create_connection(
                    _Connection, url.hostname or "127.0.0.1", url.port or 6379, ssl=tls
                )
            if url.password:
                user = (unquote(url.username),) if url.username else ()
                await connection.send("AUTH", *user, unquote(url.password))
            if url.scheme != "unix" and url.path.strip("/"):
                await connection.send("SELECT", url.path.strip("/"))
            info = await connection.send("INFO", "server")
            self._run_id = _run_id(info)
            await connection.send("EVAL", REMEMBER.source, 0, self._run_id)
        self._connection = connection
        self._sent.clear()
        return connection


def _run_id(info: bytes) -> str:
    for line in info.decode().splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:").strip()
    return "unknown"


_clients: dict[asyncio.AbstractEventLoop, Redis] = {}


def client() -> Redis:
    """Return the running loop's connection."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        for closed in [each for each in _clients if each.is_closed()]:
            del _clients[closed]
        found = _clients[loop] = Redis(settings.REDIS_URL)
    return found


async def close() -> None:
    """Close the running loop's connection, at the end of its life."""
    found = _clients.pop(asyncio.get_running_loop(), None)
    if found is not None:
        with contextlib.suppress(OSError):
            await found.close()


def begin_memory() -> None:
    """Begin a new memory where the server is another one than before (blocking), as every connection does."""
    redis_server = sync_client()
    redis_server.eval(REMEMBER.source, 0, str(redis_server.info("server")["run_id"]))


def memory_age() -> float:
    """Return the seconds for which the server has had its memory (blocking); 0 where nobody has begun one."""
    answer = sync_client().eval(_AGE, 0)
    return int(cast(Any, answer)) / 1000


_AGE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
return now - tonumber(string.match(redis.call('GET', 'memory') or '', ':(%d+)$') or now)
"""


@functools.cache
def sync_client() -> redis.Redis:
    """Return the process's blocking client, for code in threads and tasks off the run path."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)

"""The events of a run: one log that every reader follows at its own pace, in this process or any other.

An event's number is a position: characters of text so far plus other events so far. A delta can therefore be cut
anywhere; a reader that comes back with a position gets exactly the text behind it, from memory or from Redis.
Readers share the log and hold only an index, so a stalled reader costs no more than itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import orjson
import redis

from agents.guard import admission, scripts
from qualisys import redis as qredis
from qualisys.pulse import pulse
from qualisys.redis import RedisUnavailable

logger = logging.getLogger(__name__)

DELTA = "delta"
ENDS = frozenset({"run.completed", "run.failed"})
#: Seconds of text that are gathered before they go to Redis; readers here get every piece at once.
COALESCE = 0.02
#: Seconds a streamed run outlives its last reader.
READER_GRACE = 15
#: Seconds a reader elsewhere waits for a message before it looks by itself.
LOOK = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event: the position after it, its name and its data (text of a delta, JSON of anything else)."""

    position: int
    name: str
    data: str

    @property
    def json(self) -> bytes:
        """The data as a JSON object."""
        return orjson.dumps({"text": self.data}) if self.name == DELTA else self.data.encode()


class EventLog:
    """The events of a run that this process executes."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self.events: list[Event] = []
        self.position = 0
        self.closed = False
        self.readers = 0
        self.left_at = asyncio.get_running_loop().time()
        self.cancel_asked = False
        self.lost = False
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []
        self._pending: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writes: set[asyncio.Task[None]] = set()

    def delta(self, text: str) -> None:
        """Append text; readers here see it at once, others within COALESCE."""
        if self.closed or not text:
            return
        self.position += len(text)
        self.events.append(Event(self.position, DELTA, text))
        self._pending.append(text)
        if self._timer is None:
            self._timer = self._loop.call_later(COALESCE, self._flush)
        self._wake()

    def event(self, name: str, data: dict[str, object]) -> None:
        """Append an event that is not text."""
        if self.closed:
            return
        self._flush()
        self.position += 1
        raw = orjson.dumps(data).decode()
        self.events.append(Event(self.position, name, raw))
        self._write(self.position, name, raw)
        self._wake()

    async def close(self) -> int:
        """Take no more events, hand all of them to Redis and return the position of the last event to come."""
        self._flush()
        self.closed = True
        if self._writes:
            await asyncio.gather(*self._writes, return_exceptions=True)
        return self.position + 1

    def end(self, name: str, data: bytes) -> None:
        """Show the last event to the readers here; the guard has written it to Redis with the settlement."""
        self.position += 1
        self.events.append(Event(self.position, name, data.decode()))
        self._wake()

    async def changed(self) -> None:
        """Wait for the next event."""
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            self._write(self.position, DELTA, text)

    def _write(self, position: int, name: str, data: str) -> None:
        task = self._loop.create_task(self._append(position, name, data))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _append(self, position: int, name: str, data: str) -> None:
        key = admission.events_key(self.run_id)
        try:
            reply = await qredis.client().run(
                scripts.APPEND, [admission.lease_key(self.run_id), key], [f"{position}-0", name, data, key]
            )
        except (RedisUnavailable, redis.ResponseError) as error:
            logger.warning("run %s: an event is only here, not in Redis: %s", self.run_id, error)
            return
        self.lost = self.lost or reply == -1
        self.cancel_asked = self.cancel_asked or reply == 1


def after(events: list[Event], index: int, position: int) -> tuple[Event | None, int]:
    """Return what a reader at `position` gets next from `index` on, joined text in one delta, and its new index."""
    total = len(events)
    while index < total and events[index].position <= position:
        index += 1
    if index == total:
        return None, index
    first = events[index]
    if first.name != DELTA:
        return first, index + 1
    start = first.position - len(first.data)
    texts = [first.data[position - start :] if position > start else first.data]
    index += 1
    while index < total and events[index].name == DELTA:
        texts.append(events[index].data)
        index += 1
    return Event(events[index - 1].position, DELTA, "".join(texts) if len(texts) > 1 else texts[0]), index


async def follow(log: EventLog, position: int = 0) -> AsyncIterator[Event]:
    """Yield the events of a run of this process behind `position`, until it ends."""
    log.readers += 1
    index = 0
    try:
        while True:
            event, index = after(log.events, index, position)
            if event is not None:
                position = event.position
                yield event
                if event.name in ENDS:
                    return
                continue
            await log.changed()
    finally:
        log.readers -= 1
        if log.readers == 0:
            log.left_at = asyncio.get_running_loop().time()


async def follow_elsewhere(run_id: UUID, position: int = 0) -> AsyncIterator[Event]:
    """Yield the events of a run that another process executes (or has executed), from Redis.

    Ends without a last event where Redis no longer has the run.
    """
    key = admission.events_key(run_id)
    client = qredis.client()
    loop = asyncio.get_running_loop()
    present = 0.0
    async with pulse().hearing(key) as told:
        try:
            while True:
                told.clear()
                rows = await client.call("XRANGE", key, f"({position}-0", "+", "COUNT", "200", deadline=1)
                events = [_stored(entry, fields) for entry, fields in rows]
                index = 0
                while True:
                    event, index = after(events, index, position)
                    if event is None:
                        break
                    position = event.position
                    yield event
                    if event.name in ENDS:
                        return
                if rows:
                    continue
                if loop.time() - present > READER_GRACE / 5:
                    await client.call("SET", f"readers:{run_id}", "1", "EX", READER_GRACE)
                    present = loop.time()
                    if not await client.call("EXISTS", key):
                        return
                try:
                    async with asyncio.timeout(LOOK):
                        await told.wait()
                except TimeoutError:
                    pass
        finally:
            await _leave(run_id)


async def _leave(run_id: UUID) -> None:
    try:
        await qredis.client().call("EXPIRE", f"readers:{run_id}", READER_GRACE)
    except RedisUnavailable:
        logger.info("run %s: a reader left while Redis is away", run_id)


def _stored(entry: bytes, fields: list[bytes]) -> Event:
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return Event(int(entry.split(b"-")[0]), values[b"e"].decode(), values[b"d"].decode())

"""The events of a run: one log that every reader follows at its own pace, in this process or any other.

An event's number is a position: characters of text so far plus other events so far. A delta can therefore be cut
anywhere; a reader that comes back with a position gets exactly the text behind it, from memory or from Redis.
Readers share the log and hold only an index, so a stalled reader costs no more than itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from agents.guard import admission, scripts
from qualisys import redis as qredis
from qualisys.pulse import pulse
from qualisys.redis import RedisUnavailable

logger = logging.getLogger(__name__)

DELTA = "delta"
ENDS = frozenset({"run.completed", "run.failed"})
#: Seconds for which events are gathered before they go to Redis; readers here get every one at once.
COALESCE = 0.02
#: The same for a run that answers its caller directly, which hardly anyone follows from elsewhere.
COALESCE_UNWATCHED = 1.0
#: What the last event of a dead process's run is behind what was stored: more than its readers may have seen.
LOST_TEXT = 1 << 24
#: Characters that a reader gets at once, and rows that it reads from Redis at once: what one that stalls holds.
PIECE = 8192
ROWS = 16
#: Seconds a streamed run outlives its last reader.
READER_GRACE = 15
#: Seconds a reader elsewhere waits for a message before it looks by itself.
LOOK = 1.0


class Event(NamedTuple):
    """One event: the position after it, its name and its data (text of a delta, JSON of anything else)."""

    position: int
    name: str
    data: str

    @property
    def json(self) -> bytes:
        """The data as a JSON object."""
        return orjson.dumps({"text": self.data}) if self.name == DELTA else self.data.encode()


class Forgotten(Exception):  # noqa: N818
    """Redis has no events of this run: not yet, or no longer."""


class EventLog:
    """The events of a run that this process executes.

    Readers here see every event at once. Redis gets them gathered, in one step per COALESCE seconds, and the
    last ones together with the settlement.
    """

    def __init__(self, run_id: UUID, coalesce: float = COALESCE) -> None:
        self.run_id = run_id
        self.events: list[Event] = []
        self.position = 0
        self.closed = False
        self.readers = 0
        self._loop = asyncio.get_running_loop()
        self.left_at = self._loop.time()
        self.cancel_asked = False
        self.lost = False
        self._coalesce = coalesce
        self._kept = (0, 0)
        self._sending: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def delta(self, text: str) -> None:
        """Append text."""
        if text:
            self._append(Event(self.position + len(text), DELTA, text))

    def event(self, name: str, data: dict[str, object]) -> None:
        """Append an event that is not text."""
        self._append(Event(self.position + 1, name, orjson.dumps(data).decode()))

    def close(self) -> list[tuple[int, str, str]]:
        """Take no more events and return those that Redis does not have yet."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        return self._unsent()

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

    def _append(self, event: Event) -> None:
        if self.closed:
            return
        self.position = event.position
        self.events.append(event)
        if self._timer is None:
            # On a beat that all runs share, so that one write to Redis carries what all of them have.
            beat = (self._loop.time() // self._coalesce + 1) * self._coalesce
            self._timer = self._loop.call_at(beat, self._flush)
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _unsent(self) -> list[tuple[int, str, str]]:
        """Return what Redis has not confirmed, neighbouring text joined."""
        found: list[tuple[int, str, str]] = []
        position, index = self._kept
        while True:
            event, index = after(self.events, index, position)
            if event is None:
                return found
            position = event.position
            found.append((position, event.name, event.data))

    def _flush(self) -> None:
        self._timer = None
        if self._sending is not None and not self._sending.done():
            # One step at a time: what Redis has is only known once it has answered.
            self._timer = self._loop.call_later(self._coalesce, self._flush)
            return
        events = self._unsent()
        if not events:
            return
        key = admission.events_key(self.run_id)
        args: list[str] = [key]
        for position, name, data in events:
            args += [f"{position}-0", name, data]
        self._sending = qredis.client().run_soon(
            scripts.APPEND, [admission.lease_key(self.run_id), key, admission.result_key(self.run_id)], args
        )
        if self._sending is None:
            self._timer = self._loop.call_later(0.5, self._flush)
        else:
            self._sending.add_done_callback(partial(self._sent, (self.position, len(self.events))))

    def _sent(self, kept: tuple[int, int], reply: asyncio.Future[Any]) -> None:
        if reply.cancelled():
            return
        if reply.exception() is None:
            self._kept = kept
            self.lost = self.lost or reply.result() == -1
            self.cancel_asked = self.cancel_asked or reply.result() == 1
        elif not self.closed and self._timer is None:
            self._timer = self._loop.call_later(0.5, self._flush)


def after(events: list[Event], index: int, position: int) -> tuple[Event | None, int]:
    """Return what a reader at `position` gets next from `index` on, and its new index.

    Neighbouring text is joined, up to PIECE characters.
    """
    total = len(events)
    while index < total and events[index].position <= position:
        index += 1
    if index == total:
        return None, index
    first = events[index]
    if first.name != DELTA:
        return first, index + 1
    seen = max(position - first.position + len(first.data), 0)
    if seen or len(first.data) > PIECE:
        text = first.data[seen : seen + PIECE]
        end = first.position - len(first.data) + seen + len(text)
        return Event(end, DELTA, text), index
    texts, end, room = [first.data], first.position, PIECE - len(first.data)
    index += 1
    while index < total:
        more = events[index]
        size = len(more.data)
        # Text that Redis was sent twice overlaps: the next call cuts it.
        if more.name != DELTA or size > room or more.position - size != end:
            break
        texts.append(more.data)
        end, room = more.position, room - size
        index += 1
    return first if len(texts) == 1 else Event(end, DELTA, "".join(texts)), index


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
                if len(event.data) > PIECE // 2:
                    # A reader that is far behind: its socket must get the time to say that it is full.
                    await asyncio.sleep(0)
                continue
            if log.events and log.events[-1].name in ENDS:
                return
            await log.changed()
    finally:
        log.readers -= 1
        if log.readers == 0:
            log.left_at = asyncio.get_running_loop().time()


async def follow_elsewhere(run_id: UUID, position: int = 0) -> AsyncIterator[Event]:
    """Yield the events of a run that another process executes (or has executed), from Redis.

    Ends with the last event, at once for a reader that has it; raises Forgotten where Redis has none.
    """
    key = admission.events_key(run_id)
    client = qredis.client()
    loop = asyncio.get_running_loop()
    present = 0.0
    async with pulse().hearing(key) as told:
        try:
            while True:
                told.clear()
                rows = await client.call("XRANGE", key, f"({position}-0", "+", "COUNT", ROWS, deadline=1)
                events = [stored(entry, fields) for entry, fields in rows]
                rows.clear()
                index = 0
                while True:
                    event, index = after(events, index, position)
                    if event is None:
                        break
                    position = event.position
                    yield event
                    if event.name in ENDS:
                        return
                if events:
                    continue
                if loop.time() - present > READER_GRACE / 5:
                    await client.call("SET", f"readers:{run_id}", "1", "EX", READER_GRACE)
                    present = loop.time()
                    last = await _last(key)
                    if last.name in ENDS:
                        if last.position <= position:
                            return
                        continue
                try:
                    async with asyncio.timeout(LOOK):
                        await told.wait()
                except TimeoutError:
                    pass
        finally:
            await _leave(run_id)


async def _last(key: str) -> Event:
    rows = await qredis.client().call("XREVRANGE", key, "+", "-", "COUNT", "1")
    if not rows:
        raise Forgotten
    return stored(*rows[0])


async def _leave(run_id: UUID) -> None:
    try:
        await qredis.client().call("EXPIRE", f"readers:{run_id}", READER_GRACE)
    except RedisUnavailable:
        logger.info("run %s: a reader left while Redis is away", run_id)


def stored(entry: bytes, fields: list[bytes]) -> Event:
    """Return an event as Redis has it."""
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return Event(int(entry.split(b"-")[0]), values[b"e"].decode(), values[b"d"].decode())

"""Reading server-sent events as a strict client does: bytes, frames, ids."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx2 as httpx

ENDS = ("run.completed", "run.failed")


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it came."""

    id: str
    name: str
    data: Any

    @property
    def position(self) -> int:
        """The number in the id."""
        return int(self.id.rpartition("-")[2])

    @property
    def run_id(self) -> str:
        """The run in the id."""
        return self.id.rpartition("-")[0]


class Stream:
    """One reader on a connection of its own; leaving the block hangs up."""

    def __init__(
        self, client: httpx.Client, path: str, body: Any = None, last: str = "", **headers: str
    ) -> None:
        self._client = client
        self._asked = (path, body, {**headers, **({"Last-Event-ID": last} if last else {})})
        self._stack = ExitStack()
        #: When each comment came.
        self.comments: list[float] = []

    def __enter__(self) -> Stream:
        path, body, headers = self._asked
        method = "GET" if body is None else "POST"
        timeout = httpx.Timeout(30, pool=None)
        self.response = self._stack.enter_context(
            self._client.stream(method, path, json=body, headers=headers, timeout=timeout)
        )
        self._events = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    def __iter__(self) -> Iterator[Event]:
        """Go on reading where the last reading stopped, until the server ends the stream."""
        return self._events

    def take(self, count: int) -> list[Event]:
        """Return the next `count` events."""
        return [next(self._events) for _ in range(count)]

    def until(self, *names: str) -> list[Event]:
        """Return the events up to the first one with such a name."""
        found = []
        for event in self._events:
            found.append(event)
            if event.name in names:
                return found
        raise AssertionError(f"the stream ended without {names}: {found[-3:]}")

    def _read(self) -> Iterator[Event]:
        held = b""
        for data in self.response.iter_raw():
            held += data
            *frames, held = held.split(b"\n\n")
            for frame in frames:
                if frame.startswith(b":"):
                    self.comments.append(time.monotonic())
                else:
                    yield _event(frame)
        assert held == b"", f"a frame was cut: {held[:100]!r}"


def _event(frame: bytes) -> Event:
    fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
    assert list(fields) == [b"id", b"event", b"data"], frame
    return Event(fields[b"id"].decode(), fields[b"event"].decode(), json.loads(fields[b"data"]))


def text_of(events: Iterable[Event]) -> str:
    """Return the text of the deltas."""
    return "".join(event.data["text"] for event in events if event.name == "delta")

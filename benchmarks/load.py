"""A closed loop of connections over loopback, each asking again as soon as it is answered.

Written on bare protocols, because it shares a core with the model and the servers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import uvloop

#: Seconds after its end in which a load must have been answered.
PATIENCE = 20


#: Share of the requests that may be answered wrongly before nothing that was measured counts.
MAX_WRONG = 0.01


class WrongAnswerError(Exception):
    """Requests were not answered as they should have been."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked where: the request's bytes, what a right answer holds and what its first text looks like."""

    port: int
    request: bytes
    right: bytes
    text: bytes = b""


@dataclass(slots=True)
class Load:
    """What came of a load: seconds it took, and of each request until the first text and until the end.

    Each connection's first request is only counted: that all of them come in one instant is no closed loop yet.
    """

    seconds: float = 0.0
    opening: int = 0
    ends: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    #: Pieces of text as they were framed on the wire.
    frames: int = 0
    wrong: list[bytes] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    def __init__(self, target: Target, load: Load, until: float, done: asyncio.Future[None]) -> None:
        self.target, self.load, self.until, self.done = target, load, until, done
        self.opens = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self.parts: list[bytes] = []
        self.length = -1
        self.size = 0
        self.first = 0.0
        self.began = perf_counter()
        self.transport.write(self.target.request)

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.size += len(data)
        if not self.first and self.target.text and self.target.text in data:
            self.first = perf_counter()
        if self.length < 0:
            self.length = self._whole_length(data)
        if self.size >= self.length if self.length else self._ended(data):
            self._answered(b"".join(self.parts))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(WrongAnswerError("the connection was closed"))

    def _whole_length(self, data: bytes) -> int:
        """Return the bytes of head and body together, 0 where the body comes in chunks."""
        head, separator, _ = data.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        return len(head) + len(separator) + int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0

    def _ended(self, data: bytes) -> bool:
        tail = data if len(data) >= 5 else b"".join(self.parts[-5:])
        return tail.endswith(b"0\r\n\r\n")

    def _answered(self, answer: bytes) -> None:
        now = perf_counter()
        if self.target.right in answer and self.opens:
            self.load.opening += 1
            self.load.frames += answer.count(self.target.text) if self.target.text else 0
        elif self.target.right in answer:
            self.load.ends.append(now - self.began)
            if self.target.text:
                self.load.firsts.append(self.first - self.began)
                self.load.frames += answer.count(self.target.text)
        else:
            self.load.wrong.append(answer)
        opened, self.opens = self.opens, False
        if now < self.until or opened:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)


def run(target: Target, concurrency: int, seconds: float) -> Load:
    """Put the load on the target and wait for the last answer; raise WrongAnswerError for too many wrong ones."""
    load = uvloop.run(_run(target, concurrency, seconds))
    if len(load.wrong) > MAX_WRONG * (len(load.ends) + load.opening):
        raise WrongAnswerError(load.wrong[0][:1000].decode(errors="replace"))
    return load


async def _run(target: Target, concurrency: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    load = Load()
    began = perf_counter()
    done = [loop.create_future() for _ in range(concurrency)]
    for future in done:
        protocol = _Connection(target, load, began + seconds, future)
        await loop.create_connection(lambda protocol=protocol: protocol, "127.0.0.1", target.port)  # type: ignore[misc]
    async with asyncio.timeout(seconds + PATIENCE):
        await asyncio.gather(*done)
    load.seconds = perf_counter() - began
    return load

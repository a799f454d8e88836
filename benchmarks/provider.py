"""A model provider that costs next to nothing, so that what is measured is the portal.

It speaks the part of OpenAI's chat completions that the portal uses. The model's name says how it answers:
`any:chunks=400,size=5,pace=1,delay=0` is 400 pieces of 5 characters, 1 ms apart, after no delay. Pace 0 means
one write per turn of the event loop.

python -m benchmarks.provider <port>
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import orjson
import uvloop

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a model answers, ready to be sent; times in seconds."""

    whole: bytes
    head: bytes
    piece: bytes
    tail: bytes
    chunks: int
    pace: float
    delay: float


@cache
def answer(model: str) -> Answer:
    """Return what the model of this name answers."""
    wishes = dict(part.split("=") for part in model.partition(":")[2].split(",") if part)
    chunks, size = int(wishes.get("chunks", 1)), int(wishes.get("size", 5))
    text = "word " * (size // 5) + "word "[: size % 5]
    base: dict[str, Any] = {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": model}
    usage = {"prompt_tokens": 200, "completion_tokens": chunks, "total_tokens": 200 + chunks}
    message = {"role": "assistant", "content": text * chunks}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = orjson.dumps({**base, "object": "chat.completion", "choices": [choice], "usage": usage})

    def event(delta: dict[str, str] | None, finish: str | None = None) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        told = {**base, "object": "chat.completion.chunk", "choices": choices}
        return _chunk(orjson.dumps(told if delta is not None else {**told, "usage": usage}))

    return Answer(
        whole=b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        + body,
        head=_STREAM_HEAD + event({"role": "assistant", "content": ""}),
        piece=event({"content": text}),
        tail=event({}, "stop") + event(None) + _chunk(b"[DONE]") + _END,
        chunks=chunks,
        pace=float(wishes.get("pace", 0)) / 1000,
        delay=float(wishes.get("delay", 0)) / 1000,
    )


def _chunk(data: bytes) -> bytes:
    line = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


class Provider(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the whole request is here."""
        self.held += data
        head, separator, body = self.held.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self.held = b""
        asked = orjson.loads(body)
        found = answer(asked["model"])
        act = self._stream if asked.get("stream") else self._whole
        if found.delay:
            self.loop.call_later(found.delay, act, found)
        else:
            act(found)

    def _whole(self, found: Answer) -> None:
        self.transport.write(found.whole)

    def _stream(self, found: Answer) -> None:
        self.transport.write(found.head)
        self._piece(found, found.chunks, self.loop.time())

    def _piece(self, found: Answer, left: int, due: float) -> None:
        if self.transport.is_closing():
            return
        if not left:
            self.transport.write(found.tail)
            return
        self.transport.write(found.piece)
        if found.pace:
            self.loop.call_at(due + found.pace, self._piece, found, left - 1, due + found.pace)
        else:
            self.loop.call_soon(self._piece, found, left - 1, due)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def serve(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

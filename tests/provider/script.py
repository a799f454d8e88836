"""Plays one call's behaviour onto a connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from tests.provider.behaviour import Behaviour
from tests.provider.shapes import NOISE, STATUS_KINDS, Shape, cut, numbered
from tests.provider.state import State

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class HungUp(Exception):  # noqa: N818 - an event, not an error
    """The script closed the connection itself."""


class Wire(Protocol):
    """What a script needs of a connection."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while the caller reads too slowly."""
        ...


@dataclass(slots=True)
class Call:
    """One request, understood."""

    model: str
    key: str
    body: dict[str, Any]
    shape: Shape
    behaviour: Behaviour
    number: int  # of the calls of this model, from 1
    streaming: bool


async def play(call: Call, wire: Wire, state: State) -> bool:
    """Answer the call; return whether it got what it asked for."""
    script = call.behaviour
    if call.number <= script.drop:
        raise HungUp
    if script.hang:
        await asyncio.Event().wait()
    await _pause(script.latency)
    if script.status and (not script.first or call.number <= script.first):
        await wire.write(_refusal(call))
        return False
    pieces = _pieces(call, state)
    usage = None if script.nousage else (script.ptok, len(pieces) if script.ctok < 0 else script.ctok)
    if call.streaming:
        await _stream(call, wire, pieces, usage)
    else:
        await _whole(call, wire, "".join(pieces), usage)
    return True


def response(status: int, body: bytes, *headers: bytes) -> bytes:
    """Return a complete HTTP response with a JSON body."""
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (status, len(body))
    return head + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


async def _whole(call: Call, wire: Wire, text: str, usage: tuple[int, int] | None) -> None:
    script = call.behaviour
    body = call.shape.whole(text, usage, length=script.length)
    if script.garbage >= 0:
        body = body[:-7]
    elif script.missing:
        body = b'{"id": "x", "usage": []}'
    elif script.empty:
        body = b'{"choices": [], "content": [], "stop_reason": null}'
    elif script.fault >= 0:
        body = orjson.dumps(_error(call, script.kind or "overloaded_error"))
    data = response(200, body)
    if script.cut >= 0:
        await wire.write(data[:-20])
        raise HungUp
    if script.stall >= 0:
        await wire.write(data[:-20])
        await asyncio.Event().wait()
    await _send(wire, data, script.drip)


async def _stream(call: Call, wire: Wire, pieces: list[str], usage: tuple[int, int] | None) -> None:
    script, shape = call.behaviour, call.shape
    await wire.write(STREAM_HEAD + _chunk(shape.opening(usage)))
    await _pause(script.ttft)
    waiting: list[bytes] = []
    for at, text in enumerate(pieces):
        if at in (script.cut, script.stall, script.garbage, script.fault):
            break
        waiting.append(_chunk((NOISE if script.noise else b"") + _event(call, text)))
        if script.interval or len(waiting) == script.batch:
            await _send(wire, b"".join(waiting), script.drip)
            waiting.clear()
            await asyncio.sleep(script.interval / 1000)
    await _send(wire, b"".join(waiting), script.drip)
    await _misbehave(call, wire)
    tail = b"" if script.nofinish else shape.finish(usage, length=script.length)
    tail += b"" if script.nofinish or script.nodone else shape.done()
    if tail:
        await _send(wire, _chunk(tail), script.drip)
    if script.linger:
        await asyncio.Event().wait()
    await wire.write(b"0\r\n\r\n")


async def _misbehave(call: Call, wire: Wire) -> None:
    script = call.behaviour
    if script.cut >= 0:
        raise HungUp
    if script.stall >= 0:
        await asyncio.Event().wait()
    if script.garbage >= 0:
        await wire.write(_chunk(b'data: {"choices": [{"index"\n\n'))
    if script.fault >= 0:
        error = _error(call, script.kind or "overloaded_error")
        await wire.write(_chunk(b"event: error\ndata: " + orjson.dumps(error) + b"\n\n"))


def _event(call: Call, text: str) -> bytes:
    if call.behaviour.missing:
        return b'data: {"choices": [{"index": 0}], "type": "content_block_delta"}\n\n'
    if call.behaviour.empty:
        return b'data: {"choices": [], "type": "ping"}\n\n'
    return call.shape.piece(text)


def _pieces(call: Call, state: State) -> list[str]:
    script = call.behaviour
    if script.invalid and _calls_of_conversation(call, state) <= script.invalid:
        return cut("This is not the answer that was asked for.", script.chunks)
    if script.answer:
        return cut(script.text, script.chunks)
    if script.named:
        return cut(state.answers[script.named], script.chunks)
    if script.echo:
        return cut(_asked(call, script.echo), script.chunks)
    return numbered(script.chunks, script.size)


def _asked(call: Call, which: str) -> str:
    messages = [(message["role"], message["content"]) for message in call.body.get("messages", [])]
    if call.body.get("system"):
        messages.insert(0, ("system", call.body["system"]))
    if which == "all":
        return "\n".join(f"{role}: {text}" for role, text in messages)
    return next((text for role, text in reversed(messages) if role == which), "")


def _calls_of_conversation(call: Call, state: State) -> int:
    """Count this call; conversations are told apart by their first user message."""
    first = next((m["content"] for m in call.body.get("messages", []) if m["role"] == "user"), "")
    state.conversations[call.model, first] += 1
    return state.conversations[call.model, first]


def _refusal(call: Call) -> bytes:
    script = call.behaviour
    kind = script.kind or STATUS_KINDS.get(script.status, "api_error")
    headers = [b"retry-after: " + script.retry_after.encode()] if script.retry_after else []
    return response(script.status, orjson.dumps(_error(call, kind)), *headers)


def _error(call: Call, kind: str) -> dict[str, Any]:
    said = {
        "key": f"Incorrect API key provided: {call.key}",
        "prompt": f"Bad input: {_asked(call, 'system')}",
    }
    message = said.get(call.behaviour.says, f"The model {call.model} could not answer: {kind}")
    return call.shape.error(call.behaviour.status, kind, message)


async def _send(wire: Wire, data: bytes, drip: float) -> None:
    if not drip:
        await wire.write(data)
        return
    for at in range(len(data)):
        await wire.write(data[at : at + 1])
        await asyncio.sleep(drip / 1000)


async def _pause(milliseconds: float) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)

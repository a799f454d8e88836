"""The HTTP server: a protocol on httptools, so that it costs little beside what it is measured with."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httptools
import orjson

from tests.provider.behaviour import of_model
from tests.provider.script import Call, HungUp, play, response
from tests.provider.shapes import SHAPES
from tests.provider.state import State


class Connection(asyncio.Protocol):
    """One caller's connection; one request at a time, kept alive between them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._start()

    def _start(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def write(self, data: bytes) -> None:
        self._transport.write(data)
        await self._writable.wait()

    # httptools

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method, url = self._parser.get_method(), urlsplit(self._url.decode())
        headers, body = self._headers, b"".join(self._body)
        self._url, self._headers, self._body = b"", {}, []
        try:
            document = orjson.loads(body) if body else {}
            if method == b"GET":
                self._answer_get(url.path, parse_qs(url.query))
            elif url.path == "/control":
                self._transport.write(response(200, orjson.dumps(self._state.control(document))))
            else:
                self._take(url.path, headers, document)
        except (ValueError, KeyError, StopIteration) as error:
            self._transport.write(response(400, orjson.dumps({"error": {"message": repr(error)}})))

    def _answer_get(self, path: str, query: dict[str, list[str]]) -> None:
        answers: dict[str, Any] = {
            "/stats": self._state.stats,
            "/last": lambda: self._state.last(query.get("model", [""])[0]),
        }
        known = answers.get(path, lambda: {"object": "list", "data": [{"id": "test", "object": "model"}]})
        self._transport.write(response(200, orjson.dumps(known())))

    def _take(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
        shape = next(shape for end, shape in SHAPES.items() if path.endswith(end))
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        model, state = str(body["model"]), self._state
        behaviour = of_model(model, state.defaults)
        state.calls.append({"path": path, "auth": bool(key), "headers": sorted(headers), "body": body})
        number = state.count(model, "requests")
        streaming = bool(body.get("stream"))
        call = Call(model, key, body, shape, behaviour, number, streaming)
        state.count(model, "inflight")
        if streaming:
            state.count(model, "streams")
        self._task = asyncio.get_running_loop().create_task(self._play(call))

    async def _play(self, call: Call) -> None:
        state = self._state
        try:
            state.count(call.model, "completed" if await play(call, self, state) else "failed")
        except HungUp:
            state.count(call.model, "failed")
            self._transport.abort()
        except asyncio.CancelledError:
            state.aborted(call.model)
            raise
        finally:
            state.count(call.model, "inflight", -1)
            self._task = None


async def serve(host: str, port: int) -> asyncio.Server:
    """Start listening; port 0 chooses a free one."""
    state = State()
    return await asyncio.get_running_loop().create_server(lambda: Connection(state), host, port, backlog=2048)

"""The HTTP face of the demo model: the parts of the OpenAI API that a chat client uses."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from agents.demo import MODEL, pace
from agents.demo.answers import Answer, compose

MAX_BODY = 64 * 1024 * 1024
NATURAL = web.AppKey("natural", bool)
log = logging.getLogger(__name__)


def make_app(*, natural: bool = True) -> web.Application:
    """Return the application. `natural` streams at the speed of a model, otherwise at once."""
    app = web.Application(client_max_size=MAX_BODY)
    app[NATURAL] = natural
    app.router.add_get("/healthz", _health)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _complete)
    return app


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "model": MODEL})


async def _models(_: web.Request) -> web.Response:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "qualisys"}
    return web.json_response({"object": "list", "data": [model]})


async def _complete(request: web.Request) -> web.StreamResponse:
    arrived = asyncio.get_running_loop().time()
    try:
        body = _read(await request.read())
    except web.HTTPRequestEntityTooLarge:
        return _refusal("The request is larger than 64 MB.", 413)
    except ValueError as error:
        return _refusal(str(error))
    try:
        # Rules over a long document take a while; the loop goes on serving others.
        answer = await asyncio.to_thread(compose, body)
    except Exception:  # the server outlives any input; what broke is in the log
        log.exception("a composer failed")
        return _refusal("The demo model could not compose an answer.", 500, "server_error")
    if body.get("stream") is True:
        return await _stream(request, body, answer, arrived)
    if request.app[NATURAL]:
        await asyncio.sleep(pace.FIRST)
    message = {"role": "assistant", "content": answer.text}
    choice = {"index": 0, "message": message, "finish_reason": answer.finish_reason, "logprobs": None}
    return web.json_response(
        {**_envelope("chat.completion"), "choices": [choice], "usage": answer.usage}, dumps=_dumps
    )


def _read(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("The body is not valid JSON.") from error
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError("'messages' must be a list with at least one message.")
    if not all(isinstance(message, dict) for message in messages):
        raise ValueError("Every message must be an object with a role and content.")
    return dict(body)


async def _stream(
    request: web.Request, body: dict[str, Any], answer: Answer, arrived: float
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    try:
        for due, event in _events(body, answer, request.app[NATURAL]):
            # The schedule is kept by the clock: a late piece is followed by the next one at once.
            if (wait := arrived + due - loop.time()) > 0:
                await asyncio.sleep(wait)
            await response.write(b"data: " + event.encode() + b"\n\n")
        await response.write_eof()
    except ConnectionError:
        log.debug("the reader left")
    return response


def _events(body: dict[str, Any], answer: Answer, natural: bool) -> Iterator[tuple[float, str]]:
    """Yield (seconds since the start, event data) of a streamed answer."""
    envelope = _envelope("chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _dumps({**envelope, "choices": [choice]})

    due = pace.FIRST if natural else 0.0
    yield due, chunk({"role": "assistant", "content": ""})
    for due, piece in pace.pieces(answer.text, natural):
        yield due, chunk({"content": piece})
    yield due, chunk({}, answer.finish_reason)
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield due, _dumps({**envelope, "choices": [], "usage": answer.usage})
    yield due, "[DONE]"


def _envelope(kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": MODEL,
        "system_fingerprint": None,
    }


def _refusal(message: str, status: int = 400, kind: str = "invalid_request_error") -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": None}
    return web.json_response({"error": error}, status=status)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

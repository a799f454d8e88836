"""What the governed run is compared with: one Redis call and an answer, with and without the model call.

Served by uvicorn with the portal's own settings. It uses the portal's Redis connection and provider client, so
the difference to a governed run is what governing costs, and `/call` less `/bare` is what the model call costs.
`/drain` reads a streamed answer to its end, `/relay` passes every piece on at once.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import orjson

from agents import providers
from agents.providers.base import Outcome, Request
from qualisys import redis as qredis

Call = Callable[..., Awaitable[Any]]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")

_HEADERS = [(b"content-type", b"application/json")]
_STREAM = [(b"content-type", b"text/event-stream")]


async def application(scope: dict[str, Any], receive: Call, send: Call) -> None:
    """Answer `/bare`, `/call` (a whole answer) and `/drain` (a streamed one, read to its end)."""
    if scope["type"] == "http":
        await _answer(scope["path"], receive, send)
    elif scope["type"] == "lifespan":
        await _live(receive, send)


async def _answer(path: str, receive: Call, send: Call) -> None:
    asked = b""
    while True:
        message = await receive()
        asked += message.get("body", b"")
        if not message.get("more_body"):
            break
    await qredis.client().call("GET", "bench")
    told = orjson.loads(asked)
    request = Request(told["model"], told["messages"], told["max_tokens"])
    if path == "/relay":
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        async for piece in _pieces(request):
            body = b"event: delta\ndata: %s\n\n" % orjson.dumps({"text": piece})
            await send({"type": "http.response.body", "body": body, "more_body": True})
        last = b'event: end\ndata: {"status":"completed"}\n\n'
        await send({"type": "http.response.body", "body": last})
        return
    text = ""
    if path == "/call":
        text = (await providers.get("openai").complete(request)).text
    elif path == "/drain":
        text = "".join([piece async for piece in _pieces(request)])
    body = orjson.dumps({"status": "completed", "output": text})
    headers = [*_HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _pieces(request: Request) -> AsyncIterator[str]:
    async with aclosing(providers.get("openai").stream(request, Outcome())) as stream:
        async for piece in stream:
            yield piece


async def _live(receive: Call, send: Call) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await providers.close()
    await qredis.close()
    await send({"type": "lifespan.shutdown.complete"})

"""What the governed run is compared with: one Redis call and an answer, with and without the model call.

Served by uvicorn with the portal's own settings. It uses the portal's Redis connection and provider client, so
the difference to a governed run is what governing costs, and `/call` less `/bare` is what the model call costs.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import orjson

from agents import providers
from agents.providers.base import Outcome, Request
from qualisys import redis as qredis

Call = Callable[..., Awaitable[Any]]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")

_HEADERS = [(b"content-type", b"application/json")]


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
    text = "" if path == "/bare" else await _ask(path, orjson.loads(asked))
    body = orjson.dumps({"status": "completed", "output": text})
    headers = [*_HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _ask(path: str, asked: dict[str, Any]) -> str:
    provider = providers.get("openai")
    request = Request(asked["model"], asked["messages"], asked["max_tokens"])
    if path == "/call":
        return (await provider.complete(request)).text
    pieces: list[str] = []
    async with aclosing(provider.stream(request, Outcome())) as stream:
        async for piece in stream:
            pieces.append(piece)  # noqa: PERF401 - one at a time, as a relay does
    return "".join(pieces)


async def _live(receive: Call, send: Call) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await providers.close()
    await qredis.close()
    await send({"type": "lifespan.shutdown.complete"})

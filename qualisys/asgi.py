"""The web process: lean API, stock pages, sockets, and what a process does from its first to its last moment."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")
django.setup()

from channels.routing import URLRouter  # noqa: E402 - Django must be set up first
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.urls import path, re_path  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402

from qualisys import metrics  # noqa: E402
from qualisys import redis as qredis  # noqa: E402
from qualisys.handler import ApiHandler  # noqa: E402
from qualisys.pulse import pulse  # noqa: E402

#: glibc's parameter, and from how many bytes on a block is large.
_MMAP_THRESHOLD, _LARGE = -3, 256 * 1024

API_PREFIXES = ("/api/", "/v1/")

_api = ApiHandler()
_pages = ASGIHandler()

Call = Callable[..., Awaitable[Any]]


async def _nowhere(scope: dict[str, Any], receive: Call, send: Call) -> None:
    """Close a socket that leads nowhere."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


_sockets = URLRouter(
    [
        *(path(route, import_string(consumer).as_asgi()) for route, consumer in settings.SOCKETS),
        re_path("", cast(Any, _nowhere)),
    ]
)


async def application(scope: dict[str, Any], receive: Call, send: Call) -> None:
    """Serve one connection, or the process's own life."""
    if scope["type"] == "http":
        handler = _api if scope["path"].startswith(API_PREFIXES) else _pages
        await handler(scope, receive, send)
    elif scope["type"] == "websocket":
        await _sockets(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _live(receive, send)


def _give_back_large_memory() -> None:
    """Keep large texts out of the C library's heap, where each one that is freed leaves a hole.

    Without this, glibc raises its threshold with the first large block that is freed, and a process that has once
    relayed long answers stays several times as large as what it holds.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


async def _live(receive: Call, send: Call) -> None:
    """Start the heartbeat, keep going, stop it; what came up at start-up is never collected again."""
    await receive()
    _give_back_large_memory()
    metrics.gather()
    heart = pulse()
    heart.on_tick += [import_string(name) for name in settings.PULSE_TICKS]
    await heart.start()
    gc.collect()
    gc.freeze()
    # A run leaves hardly any cycles: looking for them every 700 objects finds nothing, ten times a run.
    gc.set_threshold(100_000, 50, 50)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for name in settings.SHUTDOWN:
        await import_string(name)()
    await heart.stop()
    await qredis.close()
    await send({"type": "lifespan.shutdown.complete"})

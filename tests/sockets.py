"""WebSockets to a running portal, by any host name and with any credential."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.portal import Portal, Process


def opened(
    portal: Portal,
    path: str,
    tenant: str = "acme",
    *,
    credential: dict[str, str] | None = None,
    origin: str | None = None,
    web: Process | None = None,
) -> ClientConnection:
    """Open a socket on a tenant's host; the credential is its headers, by default the demo key."""
    port = (web or portal.webs[0]).port
    return connect(
        f"ws://{portal.host(tenant)}:{port}{path}",
        sock=socket.create_connection(("127.0.0.1", port)),
        additional_headers={"X-API-Key": portal.key(tenant)} if credential is None else credential,
        origin=Origin(origin) if origin else None,
        proxy=None,
    )


def messages(connection: ClientConnection, seconds: float = 10) -> list[dict[str, Any]]:
    """Return every message up to the end of a run, or until the socket closes."""
    found: list[dict[str, Any]] = []
    try:
        while not found or found[-1]["event"] not in ("run.completed", "run.failed"):
            found.append(json.loads(connection.recv(timeout=seconds)))
    except ConnectionClosed:
        pass
    return found


def close_code(connection: ClientConnection, seconds: float = 10) -> int | None:
    """Read until the server closes and return its code."""
    with suppress(ConnectionClosed):
        while True:
            connection.recv(timeout=seconds)
    return connection.close_code

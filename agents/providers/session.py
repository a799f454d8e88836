"""The shared HTTP session: one per event loop, so connections to a provider are reused across runs."""

from __future__ import annotations

import asyncio

import aiohttp

#: Seconds to look up, connect and agree on TLS. There is no total: the caller owns the deadline of a run.
CONNECT_TIMEOUT = 5.0

#: Seconds an idle connection is kept.
KEEP_ALIVE = 30.0

_sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}


async def current() -> aiohttp.ClientSession:
    """Return the running loop's session; open it on first use."""
    session = _sessions.get(asyncio.get_running_loop())
    return session if session is not None and not session.closed else await _open()


async def close() -> None:
    """Close the running loop's session. Call it at the end of a loop that will not come back."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()


async def _open() -> aiohttp.ClientSession:
    loop = asyncio.get_running_loop()
    _sessions[loop] = session = aiohttp.ClientSession(
        # No limit here: how many runs may be under way is for the guard to say.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Compression saves nothing on small pieces and would invite decompression bombs.
        headers={"User-Agent": "qualisys", "Accept-Encoding": "identity"},
    )
    # Loops that ended without `close` (a Celery task that was killed) leave their session behind.
    for ended in [other for other in list(_sessions) if other.is_closed()]:
        forgotten = _sessions.pop(ended, None)
        if forgotten is not None:
            await forgotten.close()
    return session

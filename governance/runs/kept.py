"""What this process has handed to the spool of late, in case Redis loses it before it is written.

An entry is stored once however often it is spooled, so after a loss all of it is spooled again.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from agents.guard.admission import SPOOL
from qualisys import redis as qredis

#: Seconds for which entries are kept (the relay writes them within one), and bytes at most.
SECONDS, MOST = 60, 64 << 20

_entries: deque[tuple[float, bytes]] = deque()
_bytes = 0
_memory: bytes | None = None


def keep(entry: bytes) -> None:
    """Keep an entry that was spooled just now."""
    global _bytes
    _entries.append((monotonic(), entry))
    _bytes += len(entry)
    _drop()


async def tick() -> None:
    """Spool again what is kept where Redis has another memory than before."""
    global _memory
    _drop()
    memory = await qredis.client().call("GET", "memory")
    if memory is None:
        await qredis.client().remember()
        memory = await qredis.client().call("GET", "memory")
    known, _memory = _memory, memory
    if known is None or known == memory:
        return
    for _, entry in list(_entries):
        await qredis.client().call("XADD", SPOOL, "*", "entry", entry)


def _drop() -> None:
    global _bytes
    oldest = monotonic() - SECONDS
    while _entries and (_entries[0][0] < oldest or _bytes > MOST):
        _bytes -= len(_entries.popleft()[1])

"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Return a new time-ordered UUID."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(_random(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


_pool = bytearray()
#: A fork must not hand out what its parent will.
os.register_at_fork(after_in_child=_pool.clear)


def _random(size: int) -> bytes:
    """Return random bytes; the kernel is asked for many at once, since every ask is a system call."""
    if len(_pool) < size:
        _pool.extend(os.urandom(4096))
    taken = bytes(_pool[-size:])
    del _pool[-size:]
    return taken

"""Counting in many processes, without paying at every count for what only a reader needs.

The library asks the kernel for the process id and writes into a shared file at each increment. A fork tells us its
process id itself, and a web process writes twice a second what it has counted: together a tenth of a whole run.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

from prometheus_client import values

_process = os.getpid()
_lock = Lock()
_unwritten: set[Any] = set()
_gathering = False


def _remember() -> None:
    global _process
    _process = os.getpid()


def _current() -> int:
    return _process


def count_by_process() -> None:
    """Let every metric that is made from now on keep its values in files of its process."""
    os.register_at_fork(after_in_child=_remember)
    base: Any = values.MultiProcessValue(_current)

    class Gathered(base):  # type: ignore[misc]
        """A value of the library, with what was counted since it was written."""

        more = 0.0

        def inc(self, amount: float) -> None:
            if not _gathering:
                super().inc(amount)
                return
            with _lock:
                self.more += amount
                _unwritten.add(self)

        def get(self) -> float:
            return float(super().get() + self.more)

        def write(self, more: float) -> None:
            super().inc(more)

    values.ValueClass = Gathered


def gather() -> None:
    """Count in memory from now on; whoever calls this writes twice a second, and at the end of the process."""
    global _gathering
    _gathering = True


async def write() -> None:
    """Write what was counted since the last time."""
    with _lock:
        counted = [(value, value.more) for value in _unwritten]
        for value in _unwritten:
            value.more = 0.0
        _unwritten.clear()
    for value, more in counted:
        value.write(more)

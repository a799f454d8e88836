"""Counting in many processes, without asking the kernel at every count who we are.

The library compares the process id before each increment, so that a forked child writes into files of its own. A
system call per count was a twelfth of a whole run; a fork tells us itself.
"""

from __future__ import annotations

import os

from prometheus_client import values

_process = os.getpid()


def _remember() -> None:
    global _process
    _process = os.getpid()


def _current() -> int:
    return _process


def count_by_process() -> None:
    """Let every metric that is made from now on keep its values in files of its process."""
    os.register_at_fork(after_in_child=_remember)
    values.ValueClass = values.MultiProcessValue(_current)

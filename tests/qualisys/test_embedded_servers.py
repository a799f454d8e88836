"""The embedded servers, with real processes: who may do what, what a kill leaves, what a restart keeps."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from psycopg import errors
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from qualisys.embedded import installation, process, servers, state
from qualisys.embedded.postgres import SETTINGS
from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.servers import Servers
from qualisys.environment import ROOT

#: A process that starts the servers of a home folder, says so, and waits.
HOLDER = """
import pathlib, sys, time
from qualisys.embedded import servers
running = servers.start(pathlib.Path(sys.argv[1]), fast=True)
print(*(server.pid for server in running.running), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers.start(tmp_path_factory.mktemp("home"), fast=True) as running:
        yield running


def wait_gone(pids: list[int], patience: float = 10) -> list[int]:
    """The processes that are still there after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_postgres__wrong_password__refused(running: Servers) -> None:
    wrong = running.app_url.replace("@", "x@")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_postgres__no_password__refused(running: Servers) -> None:
    port = urlsplit(running.admin_url).port

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")


def test_valkey__no_password__refused(running: Servers) -> None:
    with (
        Redis(port=urlsplit(running.redis_url).port or 0, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(AuthenticationError),
    ):
        client.ping()


def test_servers__listen_on_loopback_only(running: Servers) -> None:
    listening = [
        connection.laddr.ip
        for server in running.running
        for connection in psutil.Process(server.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert set(listening) == {"127.0.0.1"}
    assert len(listening) == 2


def test_servers__no_secret_on_a_command_line(running: Servers) -> None:
    known = installation.load(running.home)
    shown = " ".join(" ".join(psutil.Process(server.pid).cmdline()) for server in running.running)

    assert known.redis_password not in shown
    assert known.admin_password not in shown
    assert known.app_password not in repr(running)


def test_servers__never_as_root_and_never_by_changing_what_is_around(running: Servers) -> None:
    for server in running.running:
        uid = server.identity.uid
        assert uid != 0 or server.identity.who == "namespace"
        capabilities = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in capabilities


def test_home__private_files(running: Servers) -> None:
    for name in (installation.FILE, state.SERVERS, state.LOCK):
        assert stat.S_IMODE((running.home / name).stat().st_mode) == 0o600
    for folder in ("postgres", "valkey", "postgres/data", "valkey/data"):
        assert stat.S_IMODE((running.home / folder).stat().st_mode) == 0o700


def test_home__in_use__refused_in_one_line(running: Servers) -> None:
    with pytest.raises(state.HomeInUseError, match="is in use: QUALISYS already runs there"):
        servers.start(running.home)


def test_home__data_without_its_passwords__refused(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)

    with pytest.raises(EmbeddedError, match=r"installation.json with its passwords is gone"):
        servers.start(tmp_path)

    assert not state.is_running(tmp_path)


def test_state_file__names_every_address_but_the_administrator(running: Servers) -> None:
    known = state.read(running.home)

    assert known["database_url"] == running.app_url
    assert known["database_owner_url"] == running.owner_url
    assert known["redis_url"] == running.redis_url
    assert running.admin_url not in known.values()


def test_valkey__settings(running: Servers) -> None:
    with Redis.from_url(running.redis_url, decode_responses=True) as client:
        settings = client.config_get("appendonly", "maxmemory-policy", "notify-keyspace-events")

    assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction", "notify-keyspace-events": ""}


def test_postgres__outside_tests__is_durable(tmp_path: Path) -> None:
    assert (SETTINGS["fsync"], SETTINGS["synchronous_commit"]) == ("on", "on")


def test_database__created_twice_and_from_template__same_rules(running: Servers) -> None:
    first = servers.create_database(running, "first")
    with psycopg.connect(first.owner_url) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 7 AS number")

    servers.create_database(running, "first")
    second = servers.create_database(running, "second", template="first")

    with psycopg.connect(second.app_url) as connection:
        assert connection.execute("SELECT number FROM thing").fetchall() == [(7,)]
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE other (id int)")
    servers.drop_database(running, "second")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(second.app_url)


def test_two_homes__side_by_side__share_nothing(running: Servers, tmp_path: Path) -> None:
    with servers.start(tmp_path / "other", fast=True) as other:
        assert urlsplit(other.app_url).port != urlsplit(running.app_url).port
        assert urlsplit(other.redis_url).port != urlsplit(running.redis_url).port
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{running.app_url.rpartition('@')[0]}@{other.app_url.rpartition('@')[2]}")
    assert wait_gone([server.pid for server in other.running]) == []


def test_port__taken_meanwhile__another_is_chosen(tmp_path: Path) -> None:
    with servers.start(tmp_path, fast=True, postgres=False) as first:
        port = urlsplit(first.redis_url).port or 0
    with (
        socket.create_server(("127.0.0.1", port)),
        servers.start(tmp_path, fast=True, postgres=False) as second,
    ):
        assert urlsplit(second.redis_url).port != port
        assert second.app_url == ""


def test_starter__killed__no_server_is_left_and_no_row_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        pids = [int(pid) for pid in holder.stdout.readline().split()]
        known = state.read(tmp_path)
        with psycopg.connect(known["database_owner_url"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        holder.kill()

    assert wait_gone(pids) == []
    with servers.start(tmp_path, fast=True) as again:
        assert again.app_url == known["database_url"]
        with psycopg.connect(again.app_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_everything__killed_at_once__next_start_keeps_committed_rows(tmp_path: Path) -> None:
    """Promise of the issue: `kill -9` of everything and a new start lose no committed row."""
    first = servers.start(tmp_path)
    with psycopg.connect(first.owner_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    with Redis.from_url(first.redis_url) as client:
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 2000)
    for server in first.running:
        for member in [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]:
            member.kill()
    os.close(first._lock)
    # What was noted as the server's process is somebody else's by now: ours.
    note = tmp_path / "postgres" / "data" / "postmaster.pid"
    note.write_text(note.read_text().replace(note.read_text().split()[0], str(os.getpid()), 1))

    with servers.start(tmp_path) as second:
        with psycopg.connect(second.app_url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
        with Redis.from_url(second.redis_url, decode_responses=True) as client:
            assert client.get("kept") == "yes"


def test_leftover_servers__of_a_lost_starter__are_ended_first(tmp_path: Path) -> None:
    """Where the kernel offers no death signal, servers may outlive their starter."""
    lost = servers.start(tmp_path, fast=True)
    os.close(lost._lock)

    with servers.start(tmp_path, fast=True) as second, psycopg.connect(second.app_url) as connection:
        assert not any(server.is_alive() for server in lost.running)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_frozen_server__stop__ends_it(tmp_path: Path) -> None:
    running = servers.start(tmp_path, fast=True, postgres=False)
    (server,) = running.running
    os.kill(server.pid, signal.SIGSTOP)

    running.stop()

    assert not server.is_alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_identity__folder_beyond_reach__does_not_work(tmp_path: Path) -> None:
    """Where namespaces are refused, root becomes another user, if that user gets to the folder at all."""
    nobody = process.Identity("65534:65534", 65534, 65534)
    shell = Path("/bin/true")
    with TemporaryDirectory() as reachable:
        folder = Path(reachable) / "home"
        folder.mkdir(mode=0o700)
        process.hand_over(folder, nobody)
        assert not process.works(nobody, folder, shell)
        Path(reachable).chmod(0o711)
        assert process.works(nobody, folder, shell)
        assert not process.works(nobody, folder, tmp_path / "missing")

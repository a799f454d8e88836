"""`python -m qualisys.embedded`, with real servers and signals, around a product of a few lines."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from qualisys.embedded import installation, state
from qualisys.environment import ROOT

MANAGE = """
import json, os, pathlib, sys, time
command = sys.argv[1]
if command == "relay":
    time.sleep(600)
if command == "demo":
    user = {"email": "o@acme.example", "password": "made-up"}
    tenant = {"host": "acme.localhost", "tier": "standard", "users": {"owner": user}, "api_key": "k"}
    url = sys.argv[5]
    content = {"base_url": url, "console_url": url + "/admin/", "tenants": {"acme": tenant}, "platform": user}
    pathlib.Path(sys.argv[3]).write_text(json.dumps(content))
print(command, "as", os.environ["DATABASE_ROLE"], flush=True)
sys.exit(os.environ.get("FAIL") == command)
"""
ASGI = """
import os
async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""
CELERY = "from celery import Celery; app = Celery(broker=__import__('os').environ['REDIS_URL'])"
DEMO_MODEL = "import time; time.sleep(600)"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the real launcher and, around it, the smallest product."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "qualisys" / "embedded", folder / "qualisys" / "embedded")
    shutil.copy(ROOT / "qualisys" / "environment.py", folder / "qualisys")
    (folder / "agents").mkdir()
    for name, text in {
        "manage.py": MANAGE,
        "qualisys/__init__.py": "",
        "qualisys/asgi.py": ASGI,
        "qualisys/celery.py": CELERY,
        "agents/demo.py": DEMO_MODEL,
    }.items():
        (folder / name).write_text(text)
    table = folder / "qualisys" / "embedded" / "children.py"
    table.write_text(table.read_text().replace("_DELAY = 7.0", "_DELAY = 0.0"))
    return folder


class Launched:
    """A running launcher; its home is in the checkout, its port its own."""

    def __init__(self, checkout: Path, **variables: str) -> None:
        self.home = checkout / ".qualisys"
        self.port = int(variables.setdefault("QUALISYS_PORT", str(installation.free_port())))
        inherited = {"PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qualisys.embedded"],
            cwd=checkout,
            env={**inherited, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.family: list[psutil.Process] = []

    def wait_ready(self, patience: float = 60) -> None:
        """Returns when it says so and the workers have their processes: two, one, three leaders."""
        wait_until((self.home / "demo.json").exists, patience)
        wait_until(lambda: sum("celery" in " ".join(p.cmdline()) for p in self.meet_family()) >= 6)

    def meet_family(self) -> list[psutil.Process]:
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return self.family

    def ask(self) -> int:
        """The process id of the web process that answers."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request("GET", "/")
            return int(connection.getresponse().read())

    def end(self, number: signal.Signals) -> str:
        """Signals the launcher, waits for its end, and returns what it had said."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[0]


def wait_until(condition: Callable[[], bool], patience: float = 10) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def launch(checkout: Path) -> Iterator[Callable[..., Launched]]:
    started: list[Launched] = []

    def start(**variables: str) -> Launched:
        started.append(Launched(checkout, **variables))
        return started[-1]

    yield start
    for launched in started:
        launched.process.kill()
        launched.process.communicate()


Launch = Callable[..., Launched]


def test_setting__malformed__one_line_and_exit_code_2(launch: Launch) -> None:
    launched = launch(DEMO_MODEL="maybe")

    assert launched.process.communicate(timeout=60)[0].startswith(
        'qualisys: DEMO_MODEL: "maybe" is not a yes'
    )
    assert launched.process.returncode == 2
    assert not launched.home.exists()


def test_external_database__without_owner__refused_before_anything_starts(launch: Launch) -> None:
    launched = launch(DATABASE_URL="postgresql://a:b@127.0.0.1:1/x", SECRET_KEY="x" * 50)

    said = launched.process.communicate(timeout=60)[0]
    assert said == "qualisys: DATABASE_OWNER_URL must be set where DATABASE_URL is\n"
    assert launched.process.returncode == 2


def test_migration__fails__said_and_nothing_is_left(launch: Launch) -> None:
    launched = launch(FAIL="migrate")

    said = launched.process.communicate(timeout=60)[0]

    assert "`manage.py migrate` failed (exit code 1); its output is above" in said
    assert launched.process.returncode == 1
    assert not state.is_running(launched.home)


def test_ready__says_where_and_restarts_what_dies_and_stops_without_a_trace(launch: Launch) -> None:
    launched = launch()
    launched.wait_ready()
    demo = json.loads((launched.home / "demo.json").read_text())
    first = launched.ask()
    second = launch(QUALISYS_PORT=str(launched.port))
    elsewhere = launch(QUALISYS_PORT=str(launched.port), QUALISYS_HOME="other")
    other_lines = [other.process.communicate(timeout=60)[0] for other in (second, elsewhere)]

    psutil.Process(first).kill()
    server = next(p for p in launched.family if p.name() == "postgres")
    server.kill()
    for _ in range(20):
        assert launched.ask() != first
    wait_until(lambda: can_connect(launched.home))
    launched.family += psutil.Process(launched.process.pid).children(recursive=True)
    said = launched.end(signal.SIGTERM)

    assert demo["base_url"] == f"http://localhost:{launched.port}"
    assert f"http://acme.localhost:{launched.port} " in said
    assert "migrate as owner" in said
    assert " ended (SIGKILL); it is started again in 0.5 s" in said
    assert "PostgreSQL ended (SIGKILL)" in said
    assert "is in use: QUALISYS already runs there" in other_lines[0]
    assert f"port {launched.port} of 127.0.0.1 cannot be used: Address already in use" in other_lines[1]
    assert (second.process.returncode, elsewhere.process.returncode) == (2, 1)
    assert launched.process.returncode == 0
    assert not any(is_alive(process) for process in launched.family)
    assert not (launched.home / "demo.json").exists()


def can_connect(home: Path) -> bool:
    try:
        psycopg.connect(state.read(home)["database_url"]).close()
    except psycopg.OperationalError:
        return False
    return True


def test_killed__nothing_is_left__second_start_is_ready_with_the_data(launch: Launch) -> None:
    launched = launch()
    launched.wait_ready()
    with psycopg.connect(state.read(launched.home)["database_owner_url"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    names = {process.name() for process in launched.family}

    launched.end(signal.SIGKILL)

    assert {"postgres", "valkey-server"} <= names
    wait_until(lambda: not any(is_alive(process) for process in launched.family))
    begun = time.monotonic()
    again = launch()
    wait_until(lambda: state.is_running(again.home) and not (again.home / "demo.json").exists())
    again.wait_ready()
    assert time.monotonic() - begun < 30  # ten of them on a quiet machine
    with psycopg.connect(state.read(again.home)["database_url"]) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]
    again.end(signal.SIGINT)
    assert again.process.returncode == 0

"""The supervisor with real programs: what dies comes back, what is stopped stays away, nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qualisys.embedded.children import SECRETS_OF, children
from qualisys.embedded.launch import listen
from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.supervisor import Backoff, Child, Running, Supervisor
from qualisys.embedded.terminal import Terminal
from qualisys.environment import ROOT, Environment, read_environment

SHELL = {"PATH": os.environ["PATH"]}
#: Starts a grandchild in the background and tells its process id.
PARENT = "sleep 600 & echo grandchild $!; wait"
STUBBORN = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
#: A supervisor as a process, so that it can be killed.
SUPERVISOR = """
import sys, time
from qualisys.embedded.supervisor import Child, Running, Supervisor
supervisor = Supervisor(print)
command = Child("child", ["sh", "-c", sys.argv[1]], {"PATH": sys.argv[2]})
child = Running(command, lambda name, text: print(text, flush=True))
supervisor.keep(child)
supervisor.tick()
print("child", child.pid, flush=True)
time.sleep(600)
"""


class Scene:
    """A supervisor, what it said, and what its children said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.lines: list[str] = []
        self.supervisor = Supervisor(
            self.said.append, backoff=lambda: Backoff(first=0.05, limit=0.2, healthy_after=60)
        )

    def child(self, script: str, *, name: str = "child", stage: int = 1) -> Running:
        command = Child(name, ["sh", "-c", script], SHELL, stage=stage)
        running = Running(command, lambda name, text: self.lines.append(f"{name}: {text}"))
        self.supervisor.keep(running)
        return running

    def tick_until(self, condition: Callable[[], bool], patience: float = 10) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, (self.said, self.lines)
            self.supervisor.tick()
            time.sleep(0.01)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.supervisor.stop(grace=0)


def gone(pid: int, patience: float = 5) -> bool:
    deadline = time.monotonic() + patience
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_port__taken__one_line_that_says_what_to_set() -> None:
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(EmbeddedError, match=r"cannot be used: Address already in use \(set QUALISYS_PORT"),
    ):
        listen("127.0.0.1", taken.getsockname()[1])


def test_child__dies_again_and_again__restarted_later_and_later(scene: Scene) -> None:
    scene.child("echo hello; exit 3")

    scene.tick_until(lambda: scene.lines.count("child: hello") >= 4)

    delays = [float(re.findall(r"in ([\d.]+) s", line)[0]) for line in scene.said]
    assert delays[:4] == [0.05, 0.1, 0.2, 0.2][: len(delays[:4])]
    assert scene.said[0] == "child ended (exit code 3); it is started again in 0.05 s"


def test_child__killed__restarted_and_its_own_children_ended(scene: Scene) -> None:
    child = scene.child(PARENT)
    scene.tick_until(lambda: len(scene.lines) == 1)
    grandchild = int(scene.lines[0].split()[-1])

    os.kill(child.pid, signal.SIGKILL)
    scene.tick_until(lambda: len(scene.lines) == 2)

    assert "child ended (SIGKILL)" in scene.said[0]
    assert gone(grandchild)


def test_backoff__lived_long_enough__begins_anew() -> None:
    backoff = Backoff()

    assert [backoff.delay_after(1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.delay_after(60), backoff.delay_after(59)] == [0.5, 1]


def test_stop__stages_in_order__nothing_left(scene: Scene) -> None:
    web = scene.child(
        "trap 'sleep 0.3; echo bye; exit' TERM; echo up; while true; do sleep 0.05; done", stage=0
    )
    other = scene.child("trap 'echo bye; exit' TERM; echo up; while true; do sleep 0.05; done", name="other")
    scene.tick_until(lambda: len(scene.lines) == 2)

    scene.supervisor.stop()

    assert [line for line in scene.lines if "bye" in line] == ["child: bye", "other: bye"]
    assert gone(web.pid)
    assert gone(other.pid)


def test_stop__deaf_child__killed_after_grace_with_all_it_started(scene: Scene) -> None:
    deaf = scene.child(f"{PARENT.removesuffix('; wait')}; {STUBBORN}")
    scene.tick_until(lambda: "child: deaf" in scene.lines)
    grandchild = int(scene.lines[0].split()[-1])

    begun = time.monotonic()
    scene.supervisor.stop(grace=0.3)

    assert 0.3 <= time.monotonic() - begun < 2
    assert scene.said == ["child did not end in time and is killed"]
    assert gone(deaf.pid)
    assert gone(grandchild)


def test_stop__in_a_hurry__does_not_wait(scene: Scene) -> None:
    scene.child(STUBBORN)
    scene.tick_until(lambda: "child: deaf" in scene.lines)

    begun = time.monotonic()
    scene.supervisor.stop(hurry=lambda: True)

    assert time.monotonic() - begun < 2


def test_supervisor__killed__no_child_is_left() -> None:
    command = [sys.executable, "-c", SUPERVISOR, STUBBORN, os.environ["PATH"]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        said = [supervisor.stdout.readline(), supervisor.stdout.readline()]
        child = int(next(line for line in said if line.startswith("child")).split()[1])
        supervisor.kill()

    assert gone(child)


def test_terminal__lines_carry_their_origin_and_no_control_characters(tmp_path: Path) -> None:
    file = tmp_path / "screen"
    with file.open("wb") as screen:
        terminal = Terminal(screen.fileno())
        terminal.introduce(["a-longer-name", "web"])
        terminal.line("web", "one \x1b[31mtwo\tthree")
        terminal.say("four")
        terminal.close()

    assert file.read_text() == "web           | one \\x1b[31mtwo\tthree\nqualisys      | four\n"


def test_terminal__nobody_reads__nobody_waits() -> None:
    reader, writer = os.pipe()
    terminal = Terminal(writer)
    begun = time.monotonic()

    for _ in range(30_000):
        terminal.say("x" * 100)
    terminal.close(patience=0.1)

    assert time.monotonic() - begun < 5
    os.close(reader)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    urls = {f"DATABASE_{n}URL": f"postgresql://{n}x:canary@db/house" for n in ("", "OWNER_", "READONLY_")}
    keys = {f"{name}_API_KEY": f"canary-{name}" for name in ("OPENAI", "ANTHROPIC", "VLLM")}
    others = {
        "EMAIL_URL": "smtp://x:canary@mail:25",
        "REDIS_URL": "redis://:canary@cache/0",
        "SECRET_KEY": "canary" * 9,
    }
    return read_environment({**urls, **keys, **others}, tmp_path)


def test_children__secrets__only_where_they_are_needed(environment: Environment) -> None:
    table = {child.name: child for child in children(environment, listener=7, demo_port=9)}
    knows = {
        name: {variable for variable, value in child.env.items() if "canary" in value}
        for name, child in table.items()
    }

    assert knows["demo-model"] == set()
    assert {name for name, known in knows.items() if "DATABASE_OWNER_URL" in known} == {"maintenance"}
    assert {name for name, known in knows.items() if "OPENAI_API_KEY" in known} == {
        "web-1",
        "web-2",
        "runner",
    }
    assert [name for name, known in knows.items() if "EMAIL_URL" in known] == ["worker"]
    assert knows["scheduler"] == knows["relay"] == SECRETS_OF["relay"]
    assert [name for name, child in table.items() if child.env.get("DATABASE_ROLE") == "owner"] == [
        "maintenance"
    ]


def test_children__no_secret_on_a_command_line_or_in_a_log(environment: Environment) -> None:
    for child in children(environment, listener=7, demo_port=9):
        assert "canary" not in " ".join(child.argv)
        assert "canary" not in repr(child)

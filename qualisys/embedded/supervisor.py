"""Keeps programs running: starts them, passes on what they say, restarts what dies, ends all of them.

Everything is forked by the thread that calls, whose end the kernel reports to every child: a supervisor that
is killed leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from qualisys.embedded import process

#: The longest piece of output passed on as one line, in bytes.
LONGEST_LINE = 65_536


@dataclass(frozen=True)
class Child:
    """A program to run. Those of a lower `stage` are ended, and waited for, before the others.

    `delay` (seconds) leaves the processors to programs that are needed sooner.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    stage: int = 1
    delay: float = 0.0
    pass_fds: Sequence[int] = ()


@dataclass
class Backoff:
    """How long to wait before starting again, in seconds: twice as long each time, up to a limit."""

    first: float = 0.5
    limit: float = 30.0
    healthy_after: float = 60.0
    failures: int = 0

    def delay_after(self, lifetime: float) -> float:
        """The pause after an end; a program that had lived long enough begins anew."""
        self.failures = 0 if lifetime >= self.healthy_after else self.failures
        delay = min(self.limit, self.first * 2.0**self.failures)
        self.failures = min(self.failures + 1, 16)
        return delay


class Kept(Protocol):
    """What the supervisor keeps alive: a child, or an embedded server."""

    @property
    def name(self) -> str: ...
    def is_alive(self) -> bool: ...
    def revive(self) -> None: ...
    def ending(self) -> str: ...


class Running:
    """A child and its process."""

    def __init__(self, child: Child, line: Callable[[str, str], None]) -> None:
        self.child = child
        self.name = child.name
        self._line = line
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def revive(self) -> None:
        """Starts the program, in a session of its own: Ctrl-C reaches it only through the supervisor."""
        self._process = subprocess.Popen(
            process.bound(self.child.argv),
            env=dict(self.child.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self.child.pass_fds,
            start_new_session=True,
        )
        threading.Thread(target=self._pass_on, args=(self._process,), daemon=True).start()

    def ending(self) -> str:
        """How it ended, in words; also ends what it left behind."""
        self.kill()
        return process.ending(self.exit_code)

    def terminate(self) -> None:
        if self.is_alive() and self._process:
            self._process.terminate()

    def kill(self) -> None:
        """Ends the program and every process it started, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            while line := output.readline(LONGEST_LINE):
                self._line(self.name, line.decode("utf-8", "replace").rstrip("\r\n"))


@dataclass
class _Watch:
    kept: Kept
    backoff: Backoff
    since: float
    due: float | None  # when to start it; None while it runs


class Supervisor:
    """Call `tick` a few times a second; it starts what is to be started and says what it found."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        backoff: Callable[[], Backoff] = Backoff,
        on_end: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self._say = say
        self._backoff = backoff
        self._on_end = on_end
        self._watches: list[_Watch] = []

    def keep(self, kept: Kept) -> None:
        """Takes charge of something, which runs already or is started by a tick."""
        now = time.monotonic()
        due = now + kept.child.delay if isinstance(kept, Running) else None
        self._watches.append(_Watch(kept, self._backoff(), since=now, due=due))

    def tick(self) -> None:
        for watch in self._watches:
            now = time.monotonic()
            if watch.due is not None and now >= watch.due:
                watch.kept.revive()
                watch.since, watch.due = time.monotonic(), None
            elif watch.due is None and not watch.kept.is_alive():
                delay = watch.backoff.delay_after(now - watch.since)
                watch.due = now + delay
                ended = watch.kept.ending()
                self._say(f"{watch.kept.name} ended ({ended}); it is started again in {delay:g} s")
                if isinstance(watch.kept, Running):
                    self._on_end(watch.kept.pid)

    def stop(self, *, grace: float = 10.0, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ends all children stage by stage, and within `grace` seconds, or at once when `hurry` says so."""
        children = [watch.kept for watch in self._watches if isinstance(watch.kept, Running)]
        deadline = time.monotonic() + grace
        stages = sorted({running.child.stage for running in children})
        for stage in stages:
            # An earlier stage may use up to two thirds of what is left, so that the last one has its turn.
            left = deadline - time.monotonic()
            until = deadline if stage == stages[-1] else time.monotonic() + left * 2 / 3
            members = [running for running in children if running.child.stage == stage]
            for running in members:
                running.terminate()
            while any(r.is_alive() for r in members) and time.monotonic() < until and not hurry():
                time.sleep(0.02)
        for running in children:
            if running.is_alive():
                self._say(f"{running.name} did not end in time and is killed")
            running.kill()
        self._watches.clear()

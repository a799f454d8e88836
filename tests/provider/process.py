"""Starts the test provider as a process of its own, on a free port."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A running test provider. `url` has no path; both APIs are under `{url}/v1`."""

    def __init__(self, popen: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self.pid = popen.pid
        self._popen = popen

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    def stats(self, model: str = "") -> dict[str, Any]:
        """Return the counters: of everything, or of one model name (suffix included)."""
        found: dict[str, Any] = self._ask("/stats")
        none = dict.fromkeys(("requests", "streams", "completed", "failed", "aborted", "inflight"), 0)
        return found["models"].get(model, none) if model else found

    def last(self, model: str = "") -> dict[str, Any]:
        """Return the last call (of a model): `path`, `auth`, `headers` (names), `body`."""
        found: dict[str, Any] = self._ask(f"/last?model={urllib.parse.quote(model)}")
        return found

    def control(self, **settings: Any) -> None:
        """Change defaults at run time. `reset=True` starts anew, `answers={name: text}` is for `named`."""
        self._ask("/control", json.dumps(settings).encode())

    def wait(
        self, condition: Callable[[dict[str, Any]], bool], model: str = "", seconds: float = 1.0
    ) -> dict[str, Any]:
        """Return the counters once they meet the condition; fail after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition(found := self.stats(model)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {found}"
            time.sleep(0.01)
        return found

    def stop(self) -> None:
        """End the process and wait for it."""
        self._popen.terminate()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe is not None
            pipe.close()

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(self.url + path, body, timeout=5) as reply:
            return json.loads(reply.read())


def start(port: int = 0) -> Process:
    """Start a test provider and return once it listens."""
    command = [sys.executable, "-m", "tests.provider", "--port", str(port), "--with-starter"]
    popen = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert popen.stdout is not None
    line = popen.stdout.readline()
    assert line, "the test provider did not start"
    return Process(popen, f"http://127.0.0.1:{json.loads(line)['port']}")

"""Everything that is measured, started as `make run` starts it, but with one web process on a core of its own.

The web process (and in turn with it the bare application) has the first core; load, model, servers and relay
share the others, so nothing but what is measured is busy on that core.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
import redis

from qualisys.embedded import children, demo, installation, launch, process, servers
from qualisys.embedded.supervisor import Child
from qualisys.environment import ROOT, Environment, read_environment

TENANT = "acme"
#: About 600 and 250 characters: a short prompt and a short question.
PROMPT = "You read what people write about software and answer with what a tester should know. " * 7
INPUT = "REQ-12 The portal shall sign a person out after fifteen minutes without activity. " * 3
#: Seconds until everything must be up, and until the relay must have written what is left to it.
START, SETTLE = 30, 20


@dataclass
class Stage:
    """What runs: ports, keys and the processes by name."""

    web_port: int
    bare_port: int
    provider_port: int
    demo: dict[str, Any]
    redis: redis.Redis
    processes: dict[str, int]
    env: Mapping[str, str]
    _agents: dict[str, str] = field(default_factory=dict)

    @property
    def _api(self) -> str:
        return f"http://127.0.0.1:{self.web_port}/api/v1"

    def cpu(self, name: str) -> float:
        """Return the CPU seconds (user and system) that a process and its children have used."""
        parent = psutil.Process(self.processes[name])
        return sum(_cpu(pid) for pid in (parent.pid, *(child.pid for child in parent.children())))

    def settle(self) -> None:
        """Wait until what earlier runs left to the relay is written."""
        deadline = time.monotonic() + SETTLE
        while self.redis.xlen("spool") and time.monotonic() < deadline:
            time.sleep(0.02)

    def agent(self, model: str) -> str:
        """Return the agent that runs on a model, registered at its first use."""
        if model not in self._agents:
            agent_id = f"bench-{len(self._agents)}"
            told = {
                "agent_id": agent_id,
                "name": agent_id,
                "system_prompt": PROMPT,
                "llm_model": model,
                "required_roles": ["owner"],
            }
            key = self.demo["platform"]["api_key"]
            _send("POST", f"{self._api}/admin/agents", told, {"X-API-Key": key})
            # What is measured is governing, not being refused.
            unlimited = {"daily_tokens": 10**15}
            _send("PUT", f"{self._api}/admin/agents/{agent_id}/limits", unlimited, {"X-API-Key": key})
            plenty = {"runs_per_minute": 1_000_000, "concurrent_runs": 10_000}
            _send("PUT", f"{self._api}/admin/limits", plenty, {"X-API-Key": key})
            self._agents[model] = agent_id
        return self._agents[model]


def _cpu(pid: int) -> float:
    """Return a process's CPU seconds, to the nanosecond where `/proc` counts hundredths."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


@contextmanager
def stage(cores: Sequence[int]) -> Iterator[Stage]:
    """Run everything for the block; the first of `cores` is for what is measured, the others for the rest."""
    own, rest = cores[:1], cores[1:]
    os.sched_setaffinity(0, rest)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qualisys-bench-")))
        home.chmod(0o755)
        running = stack.enter_context(servers.start(home / "home"))
        log = stack.enter_context(_log(home / "log"))
        provider_port, bare_port = installation.free_port(), installation.free_port()
        environment = _environment(running, provider_port)
        _prepare(environment, log)
        listener = stack.enter_context(_listener())
        members = {child.name: child for child in children.children(environment, listener.fileno(), None)}
        web, relay = members["web-1"], members["relay"]
        options = web.argv[web.argv.index("--loop") :]
        bare = ["uvicorn", "benchmarks.bare:application", "--port", str(bare_port), *options]
        processes = {type(server).__name__.lower(): server.pid for server in running.running} | {
            name: stack.enter_context(_running(child, core, log)).pid
            for name, child, core in (
                ("provider", _module(web, "benchmarks.provider", str(provider_port)), rest),
                ("web", web, own),
                ("bare", _module(web, *bare), own),
                ("relay", relay, rest),
            )
        }
        web_port = listener.getsockname()[1]
        _wait(web_port, provider_port, bare_port)
        known = json.loads((environment.qualisys_home / demo.PENDING).read_text())
        client = redis.Redis.from_url(running.redis_url)
        yield Stage(web_port, bare_port, provider_port, known, client, processes, web.env)


@contextmanager
def _log(path: Path) -> Iterator[IO[bytes]]:
    """Give the file for what the processes say; after a failure its end is shown."""
    with path.open("ab") as file:
        try:
            yield file
        except Exception:
            print(path.read_text()[-4000:], file=sys.stderr)
            raise


def _environment(running: servers.Servers, provider_port: int) -> Environment:
    given = {
        "QUALISYS_HOME": str(running.home),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{provider_port}/v1",
        "WEB_PROCESSES": "1",
    }
    environment = launch.complete(read_environment(given, root=running.home, running=False), running, None)
    assert environment.prometheus_multiproc_dir is not None
    environment.prometheus_multiproc_dir.mkdir()
    return environment


def _prepare(environment: Environment, log: IO[bytes]) -> None:
    for child in (
        children.manage("migrate", environment, "migrate"),
        children.manage("demo", environment, *demo.arguments(environment)),
    ):
        subprocess.run(child.argv, env=dict(child.env), cwd=ROOT, stdout=log, stderr=log, check=True)


def _listener() -> socket.socket:
    listener = launch.listen("127.0.0.1", 0)
    # uvicorn takes a socket that is passed to it for one of another family and leaves Nagle's algorithm on,
    # which costs 40 ms an answer. Accepted connections inherit this.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _module(like: Child, *argv: str) -> Child:
    return Child(argv[0], [sys.executable, "-m", *argv], like.env)


@contextmanager
def _running(child: Child, cores: Sequence[int], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    popen = subprocess.Popen(
        process.bound(child.argv),
        env=dict(child.env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=child.pass_fds,
    )
    os.sched_setaffinity(popen.pid, cores)
    try:
        yield popen
    finally:
        popen.terminate()
        try:
            popen.wait(10)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def _wait(web_port: int, *ports: int) -> None:
    """Wait until the portal says that it is ready and something listens on every other port."""
    deadline = time.monotonic() + START
    while why := launch.why_not_ready("127.0.0.1", web_port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the portal is not ready after {START} s: {why}")
        time.sleep(0.1)
    for port in ports:
        while not _listens(port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on port {port} after {START} s")
            time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _send(method: str, url: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status in (200, 201)

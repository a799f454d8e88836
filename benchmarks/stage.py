"""Everything that is measured, started as `make run` starts it, but with one web process on a core of its own.

The web process (and beside it the bare application) has the first core; load, model, servers and relay share
the others, so the web process is the only thing on its core that is busy.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis

from qualisys.embedded import children, demo, installation, launch, process, servers
from qualisys.embedded.supervisor import Child
from qualisys.environment import ROOT, Environment, read_environment

TENANT = "acme"


@dataclass
class Stage:
    """What runs: ports, keys and the processes by name."""

    web_port: int
    bare_port: int
    provider_port: int
    demo: dict[str, Any]
    redis: redis.Redis
    processes: dict[str, int] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)

    def cpu(self, name: str) -> float:
        """Return the CPU seconds (user and system) that a process and its children have used."""
        parent = psutil.Process(self.processes[name])
        return sum(_cpu(pid) for pid in (parent.pid, *(child.pid for child in parent.children())))

    def settle(self) -> None:
        """Wait until what earlier runs left to the relay is written."""
        deadline = time.monotonic() + 20
        while self.redis.xlen("spool") and time.monotonic() < deadline:
            time.sleep(0.02)

    def agent(self, model: str) -> str:
        """Return the agent that runs on a model, registered at its first use."""
        if model not in self.agents:
            agent_id = f"bench-{len(self.agents)}"
            told = {
                "agent_id": agent_id,
                "name": agent_id,
                "system_prompt": PROMPT,
                "llm_model": model,
                "required_roles": ["owner"],
            }
            key = self.demo["platform"]["api_key"]
            _post(f"http://127.0.0.1:{self.web_port}/api/v1/admin/agents", told, {"X-API-Key": key})
            self.agents[model] = agent_id
        return self.agents[model]


#: About 600 and 200 characters: a short prompt and a short question.
PROMPT = "You read what people write about software and answer with what a tester should know. " * 7
INPUT = "REQ-12 The portal shall sign a person out after fifteen minutes without activity. " * 3


def _cpu(pid: int) -> float:
    """Return a process's CPU seconds, to the nanosecond where `/proc` counts hundredths."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


@contextmanager
def stage(cores: Sequence[int]) -> Iterator[Stage]:
    """Run everything for the block; `cores` are the web process's and those of all others."""
    os.sched_setaffinity(0, cores[1:])
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qualisys-bench-")))
        home.chmod(0o755)
        running = stack.enter_context(servers.start(home / "home"))
        log = stack.enter_context((home / "log").open("ab"))
        stack.push(
            lambda kind, *_: sys.stderr.write((home / "log").read_text()[-4000:]) and None if kind else None
        )
        ports = [installation.free_port() for _ in range(2)]
        environment = _environment(running, ports[0])
        _prepare(environment, log)
        listener = stack.enter_context(launch.listen("127.0.0.1", 0))
        # uvicorn takes a passed socket for one of another family and leaves Nagle's algorithm on, which would
        # cost 40 ms an answer. Accepted connections inherit this.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listener.getsockname()[1]
        members = {child.name: child for child in children.children(environment, listener.fileno(), None)}
        processes = {type(server).__name__.lower(): server.pid for server in running.running}

        def begin(name: str, child: Child, core: Sequence[int]) -> None:
            popen = subprocess.Popen(
                process.bound(child.argv), env=dict(child.env), cwd=ROOT, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, pass_fds=child.pass_fds,
            )  # fmt: skip
            os.sched_setaffinity(popen.pid, core)
            stack.callback(popen.wait, 10)
            stack.callback(popen.terminate)
            processes[name] = popen.pid

        def module(*argv: str) -> Child:
            return Child(argv[0], [sys.executable, "-m", *argv], members["web-1"].env)

        begin("provider", module("benchmarks.provider", str(ports[0])), cores[1:])
        begin("web", members["web-1"], cores[:1])
        begin("relay", members["relay"], cores[1:])
        options = members["web-1"].argv[members["web-1"].argv.index("--loop") :]
        bare = module("uvicorn", "benchmarks.bare:application", "--port", str(ports[1]), *options)
        begin("bare", bare, cores[:1])
        _wait(port, *ports)
        known = json.loads((environment.qualisys_home / demo.PENDING).read_text())
        yield Stage(port, ports[1], ports[0], known, redis.Redis.from_url(running.redis_url), processes)


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


def _prepare(environment: Environment, log: Any) -> None:
    for child in (
        children.manage("migrate", environment, "migrate"),
        children.manage("demo", environment, *demo.arguments(environment)),
    ):
        subprocess.run(child.argv, env=dict(child.env), cwd=ROOT, stdout=log, stderr=log, check=True)


def _wait(*ports: int, seconds: float = 30) -> None:
    """Wait until every port is answered; the web process's must say that it is ready."""
    deadline = time.monotonic() + seconds
    while why := launch.why_not_ready("127.0.0.1", ports[0]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the portal is not ready after {seconds} s: {why}")
        time.sleep(0.1)
    for port in ports[1:]:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on port {port} after {seconds} s")
            time.sleep(0.05)


def _post(url: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201

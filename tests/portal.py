"""A running portal for tests: real processes, real HTTP, one handle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2 as httpx
import redis

from tests.provider import process as provider_process

ROOT = Path(__file__).resolve().parent.parent

#: Seconds for which a remembered token is used; it is valid for 15 minutes.
TOKEN_AGE = 600


def free_port() -> int:
    """Return a port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A child of the portal, killable like any other."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], port: int = 0) -> None:
        self.name, self.command, self.env, self.port = name, command, env, port
        self.log = Path(env["QUALISYS_HOME"]) / f"{name}-{uuid4().hex[:6]}.log"
        self.popen = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command, env=self.env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.popen.pid

    def signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it without warning, its children too."""
        if self.popen.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self.popen.poll() is None:
            self.popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(8)
        self.kill()

    def restart(self) -> None:
        """Start it again after its death."""
        self.kill()
        self.popen = self._start()


class Scripted(NamedTuple):
    """An agent of one test, and the model name under which the provider counts its calls."""

    agent_id: str
    model: str


class Portal:
    """Web processes, relay and worker over the session's servers, with the demo loaded."""

    def __init__(self, demo: dict[str, Any], provider: Any, env: dict[str, str]) -> None:
        self.demo, self.provider = demo, provider
        self.env = {**os.environ, **env}
        self.webs: list[Process] = []
        #: Web processes of single tests, killed or not.
        self.spares: list[Process] = []
        self.others: dict[str, Process] = {}

    def start(self) -> None:
        """Start one web process, the relay, the worker and the runner."""
        self.web()
        manage = [sys.executable, "manage.py"]
        celery = [sys.executable, "-m", "celery", "-A", "qualisys", "worker", "-l", "WARNING"]
        self.others["relay"] = Process("relay", [*manage, "relay"], self.env)
        for name, queues in (("worker", "default,maintenance"), ("runner", "runs")):
            argv = [*celery, "-n", f"{name}@%h", "-Q", queues, "--concurrency", "1", "-P", "prefork"]
            self.others[name] = Process(name, argv, self.env)

    def web(self, index: int = 0) -> Process:
        """Return the web process with this index, started on first use and ready."""
        while len(self.webs) <= index:
            self.webs += self.new_webs(1)
        return self.webs[index]

    def new_webs(self, count: int, app: str = "qualisys.asgi:application", **env: str) -> list[Process]:
        """Return web processes of one's own, started side by side; of another `app`, with more `env`."""
        started = []
        for _ in range(count):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log"]
            command += ["--timeout-graceful-shutdown", "2"]
            started.append(Process(f"web{len(self.spares)}", command, {**self.env, **env}, port))
            self.spares.append(started[-1])
        for process in started:
            wait_for(partial(self._alive, process.port), 60, f"web process on port {process.port}")
        return started

    def new_web(self) -> Process:
        """Return a web process of one's own, to be killed at will."""
        return self.new_webs(1)[0]

    def _alive(self, port: int) -> bool:
        try:
            # Ready is more than alive: a guard whose Redis has just begun admits nothing yet.
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", headers={"Host": "localhost"}, timeout=2)
            return answer.status_code == 200
        except httpx.HTTPError:
            return False

    def url(self, tenant: str | None = "acme", web: Process | None = None) -> str:
        """Return the base URL of a tenant's host, or of the platform's (None)."""
        port = (web or self.webs[0]).port
        return f"http://{self.host(tenant)}:{port}"

    def host(self, tenant: str | None) -> str:
        """Return the host name of a tenant, or of the platform (None)."""
        return self.demo["tenants"][tenant]["host"] if tenant else "localhost"

    def client(
        self,
        tenant: str | None = "acme",
        role: str | None = "key",
        web: Process | None = None,
        **headers: Any,
    ) -> httpx.Client:
        """Return an HTTP client of the API: with the demo key ("key"), as a role's person, or anonymous (None).

        It connects to the web process and names the host, so no name needs to resolve.
        """
        port = (web or self.webs[0]).port
        shown = {"Host": f"{self.host(tenant)}:{port}", **headers}
        if role == "key":
            shown["X-API-Key"] = self.key(tenant)
        elif role is not None:
            shown["Authorization"] = f"Bearer {self.token(tenant, role)['access']}"
        return httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=shown, timeout=30)

    def key(self, tenant: str | None) -> str:
        """Return the demo API key of a tenant or of the platform (None)."""
        holder = self.demo["tenants"][tenant] if tenant else self.demo["platform"]
        key: str = holder["api_key"]
        return key

    def login(self, tenant: str | None, role: str) -> dict[str, str]:
        """Return the e-mail and password of a role's person; on the platform `platform_owner` or `support`."""
        if tenant is None:
            platform = self.demo["platform"]
            found: dict[str, str] = platform["support"] if role == "support" else platform
            return found
        person: dict[str, str] = self.demo["tenants"][tenant]["users"][role]
        return person

    def token(self, tenant: str | None, role: str) -> dict[str, Any]:
        """Sign a person in and return the token pair; remembered for as long as it is surely valid."""
        known: dict[tuple[str | None, str], tuple[float, dict[str, Any]]] = self.__dict__.setdefault(
            "_tokens", {}
        )
        if (tenant, role) not in known or known[tenant, role][0] < time.monotonic() - TOKEN_AGE:
            known[tenant, role] = (time.monotonic(), self.fresh_token(tenant, role))
        return known[tenant, role][1]

    def fresh_token(self, tenant: str | None, role: str) -> dict[str, Any]:
        """Sign a person in anew and return the token pair."""
        person = self.login(tenant, role)
        return self.signed_in(person["email"], person["password"], tenant)

    def signed_in(self, email: str, password: str, tenant: str | None) -> dict[str, Any]:
        """Sign anybody in by API and return the token pair; the brake on guessing is not what tests wait for."""
        counters = redis.Redis.from_url(os.environ["REDIS_URL"])
        for counter in counters.scan_iter("signin:*"):
            counters.delete(counter)
        with self.client(None, None) as client:
            answer = client.post("/auth/token", json={"email": email, "password": password, "tenant": tenant})
        assert answer.status_code == 200, answer.text
        pair: dict[str, Any] = answer.json()
        return pair

    def register(self, agent_id: str | None = None, **fields: Any) -> str:
        """Register an agent through the API and return its id; every tenant role may run it unless said."""
        agent_id = agent_id or f"test-{uuid4().hex[:10]}"
        body = {
            "agent_id": agent_id,
            "name": agent_id.title(),
            "system_prompt": "You answer as the test provider does.",
            "llm_model": "any",
            "required_roles": ["owner", "admin", "pm_csm", "dev"],
            **fields,
        }
        with self.client(None) as client:
            answer = client.post("/admin/agents", json=body)
        assert answer.status_code == 201, answer.text
        return agent_id

    def scripted(self, script: str = "", **fields: Any) -> Scripted:
        """Register an agent whose model the provider plays by `script`, under a name of its own."""
        model = f"m-{uuid4().hex[:10]}@{script}"
        return Scripted(self.register(llm_model=model, **fields), model)

    def stop(self) -> None:
        """Stop every process."""
        for process in [*self.spares, *self.others.values()]:
            process.stop()


def wait_for(condition: Any, seconds: float, what: str = "condition") -> float:
    """Wait until `condition()` is true and return how long it took; fail after `seconds`."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if condition():
            return time.perf_counter() - began
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


@contextmanager
def running(demo: dict[str, Any], home: Path) -> Iterator[Portal]:
    """Run a portal and a test provider for the block."""
    provider = provider_process.start()
    env = {
        "OPENAI_API_KEY": "sk-test-canary-openai",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
        "ANTHROPIC_API_KEY": "sk-ant-test-canary",
        "ANTHROPIC_BASE_URL": f"{provider.url}/v1",
        "QUALISYS_HOME": str(home),
        "TENANT_PROMPT_REPLACE_ENABLED": "yes",
        "EMAIL_URL": f"file://{home}/mail",
    }
    portal = Portal(demo, provider, env)
    try:
        portal.start()
        yield portal
    finally:
        portal.stop()
        provider.stop()

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
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from tests.provider import process as provider_process

ROOT = Path(__file__).resolve().parent.parent


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


class Portal:
    """Web processes, relay and worker over the session's servers, with the demo loaded."""

    def __init__(self, demo: dict[str, Any], provider: Any, env: dict[str, str]) -> None:
        self.demo, self.provider = demo, provider
        self.env = {**os.environ, **env}
        self.webs: list[Process] = []
        self.others: dict[str, Process] = {}

    def start(self) -> None:
        """Start one web process, the relay and the worker."""
        self.web()
        manage = [sys.executable, "manage.py"]
        celery = [sys.executable, "-m", "celery", "-A", "qualisys", "worker", "-l", "WARNING"]
        self.others["relay"] = Process("relay", [*manage, "relay"], self.env)
        self.others["worker"] = Process(
            "worker", [*celery, "-Q", "default,maintenance", "--concurrency", "1", "-P", "prefork"], self.env
        )

    def web(self, index: int = 0) -> Process:
        """Return the web process with this index, started on first use and ready."""
        while len(self.webs) <= index:
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "qualisys.asgi:application", "--port", str(port)]
            self.webs.append(
                Process(f"web{len(self.webs)}", [*command, "--no-access-log", "--timeout-graceful-shutdown", "2"],
                        self.env, port)
            )  # fmt: skip
            wait_for(partial(self._alive, port), 30, f"web process on port {port}")
        return self.webs[index]

    def new_web(self) -> Process:
        """Return a web process of one's own, to be killed at will."""
        return self.web(len(self.webs))

    def _alive(self, port: int) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
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
        **headers: str,
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
        """Sign a person in and return the token pair; remembered, since sign-ins are rate limited."""
        cache: dict[tuple[str | None, str], dict[str, Any]] = self.__dict__.setdefault("_tokens", {})
        if (tenant, role) not in cache:
            cache[tenant, role] = self.fresh_token(tenant, role)
        return cache[tenant, role]

    def fresh_token(self, tenant: str | None, role: str) -> dict[str, Any]:
        """Sign a person in anew and return the token pair."""
        person = self.login(tenant, role)
        body = {"email": person["email"], "password": person["password"], "tenant": tenant}
        answer = httpx.post(f"http://127.0.0.1:{self.webs[0].port}/api/v1/auth/token", json=body, timeout=30,
                            headers={"Host": f"localhost:{self.webs[0].port}"})  # fmt: skip
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

    def stop(self) -> None:
        """Stop every process."""
        for process in [*self.webs, *self.others.values()]:
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
    }
    portal = Portal(demo, provider, env)
    try:
        portal.start()
        yield portal
    finally:
        portal.stop()
        provider.stop()

"""`make run`: servers, migrations, demo and all processes of one installation, until somebody says stop."""

from __future__ import annotations

import http.client
import shutil
import socket
import time
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from qualisys.embedded import demo, installation, servers, state
from qualisys.embedded.children import children, manage
from qualisys.embedded.process import EmbeddedError
from qualisys.embedded.servers import Servers
from qualisys.embedded.stop import Stop
from qualisys.embedded.supervisor import Child, Running, Supervisor
from qualisys.embedded.terminal import Terminal
from qualisys.environment import Environment, EnvironmentRefusedError

#: Seconds between two looks at the children.
TICK = 0.1
#: After how many seconds without readiness the reason is shown, and how often again.
IMPATIENCE = 15.0


def run(environment: Environment, terminal: Terminal, stop: Stop) -> None:
    """Runs the installation until StopRequested, and leaves no process behind, whatever happens.

    Raises EmbeddedError, HomeInUseError or EnvironmentRefusedError, each with one line for the terminal.
    """
    home = environment.qualisys_home
    if state.is_running(home):
        raise state.in_use(home)
    demo.hide(home)
    with closing(listen(environment.qualisys_host, environment.qualisys_port)) as listener:
        launch = Launch(environment, terminal)
        with launch.servers() as running:
            try:
                launch.up(running, listener.fileno())
                while True:
                    launch.tick()
            finally:
                terminal.say("stopping; Ctrl-C again to hurry")
                demo.hide(home)
                launch.supervisor.stop(hurry=stop.in_a_hurry)


class Launch:
    """One start of an installation."""

    def __init__(self, environment: Environment, terminal: Terminal) -> None:
        self.environment = environment
        self.terminal = terminal
        self.begun = time.monotonic()
        self.supervisor = Supervisor(terminal.say, on_end=self._forget_gauges)

    def servers(self) -> Servers:
        """The embedded servers of what the environment names no server for."""
        given = self.environment
        for name in ("secret_key", "database_owner_url"):
            if given.database_url and not getattr(given, name):
                raise EnvironmentRefusedError(f"{name.upper()} must be set where DATABASE_URL is")
        return servers.start(
            given.qualisys_home,
            postgres=not given.database_url,
            valkey=not given.redis_url,
            say=self._progress,
        )

    def up(self, running: Servers, listener: int) -> None:
        """Everything between running servers and a served request."""
        given = self.environment
        shutil.rmtree(self.metrics, ignore_errors=True)
        self.metrics.mkdir(mode=0o700)
        port = installation.free_port() if demo.needs_model(given) else None
        self.environment = complete(given, running, port)
        members = children(self.environment, listener, port)
        self.terminal.introduce([*(child.name for child in members), "migrate"])
        self._finish(manage("migrate", self.environment, "migrate"))
        self._progress("the database is up to date")
        for child in members:
            self.supervisor.keep(Running(child, self.terminal.line))
        for server in running.running:
            self.supervisor.keep(server)
        if demo.is_wanted(given):
            self._finish(manage("demo", self.environment, *demo.arguments(given)))
            self._progress("the demo is loaded")
        self._wait_ready()
        demo.publish(given.qualisys_home)
        self._announce()

    def tick(self) -> None:
        self.supervisor.tick()
        time.sleep(TICK)

    @property
    def metrics(self) -> Path:
        """Where the processes share their metrics; emptied at every start."""
        return self.environment.qualisys_home / "metrics"

    def _progress(self, text: str) -> None:
        self.terminal.say(f"{text} ({time.monotonic() - self.begun:.1f} s)")

    def _finish(self, child: Child) -> None:
        """Runs a command to its end, keeping everything else alive meanwhile."""
        step = Running(child, self.terminal.line)
        step.revive()
        try:
            while step.is_alive():
                self.tick()
        finally:
            step.kill()
        if step.exit_code != 0:
            raise EmbeddedError(f"`manage.py {child.name}` failed ({step.ending()}); its output is above")

    def _wait_ready(self) -> None:
        complain_at = time.monotonic() + IMPATIENCE
        while answer := why_not_ready(self.environment.qualisys_host, self.environment.qualisys_port):
            self.tick()
            if time.monotonic() > complain_at:
                self._progress(f"not ready yet: {answer}")
                complain_at += IMPATIENCE

    def _announce(self) -> None:
        environment = self.environment
        lines = demo.describe(environment.qualisys_home)
        address = f"http://localhost:{environment.qualisys_port}"
        self._progress(f"ready: {address}/ , API at {address}/api/v1/docs")
        for line in ["", *lines, "", "Ctrl-C stops everything; the data stays.", ""]:
            self.terminal.say(line)

    def _forget_gauges(self, pid: int) -> None:
        """A process that is gone has no live gauges; `prometheus_client` cannot know."""
        for file in self.metrics.glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)


def complete(given: Environment, running: Servers, demo_port: int | None) -> Environment:
    """The environment with the addresses of what was started for it."""
    found = {
        "database_url": running.app_url,
        "database_owner_url": running.owner_url,
        "database_readonly_url": running.readonly_url,
        "redis_url": running.redis_url,
        "secret_key": running.secret_key,
    }
    update: dict[str, object] = {
        name: SecretStr(value) for name, value in found.items() if value and not getattr(given, name)
    }
    update |= {
        "prometheus_multiproc_dir": given.qualisys_home / "metrics",
        "demo_model": demo_port is not None,
    }
    if demo.is_wanted(given) and "tenant_prompt_replace_enabled" not in given.model_fields_set:
        update["tenant_prompt_replace_enabled"] = True
    if demo.is_wanted(given) and not given.email_url:
        # The demo's people have no mailboxes: what they would get is read in the worker's output.
        update["email_url"] = SecretStr("console://")
    if demo_port is not None:
        update["demo_model_url"] = url = f"http://127.0.0.1:{demo_port}/v1"
        running.note(demo_model_url=url)
    return given.model_copy(update=update)


def listen(host: str, port: int) -> socket.socket:
    """The one socket that all web processes accept from."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        raise EmbeddedError(
            f"port {port} of {host} cannot be used: {error.strerror} (set QUALISYS_PORT or QUALISYS_HOST)"
        ) from None
    return listener


def why_not_ready(host: str, port: int) -> str:
    """Why `/readyz` does not answer 200; empty when it does."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a comparison
    with closing(http.client.HTTPConnection(address, port, timeout=2)) as connection:
        try:
            connection.request("GET", "/readyz", headers={"Host": f"localhost:{port}"})
            answer = connection.getresponse()
            body = answer.read(500).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
    return "" if answer.status == 200 else f"/readyz answers {answer.status} {body}"

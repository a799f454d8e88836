"""The processes of one installation and what each of them may know.

A secret that a process has no business with is passed empty, not left out: that also hides what `.env` says.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from qualisys.embedded.supervisor import Child
from qualisys.environment import READABLE, SECRETS, Environment

_APP = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"}
_PROVIDERS = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "VLLM_API_KEY"}
#: Which secrets each kind of process gets. Everything else in the environment is no secret.
SECRETS_OF: Mapping[str, set[str]] = {
    "web": _APP | _PROVIDERS | {"DATABASE_READONLY_URL"},
    "runner": _APP | _PROVIDERS,
    "worker": _APP | {"EMAIL_URL"},
    "maintenance": _APP | {"DATABASE_OWNER_URL"},
    "scheduler": _APP,
    "relay": _APP,
    "migrate": _APP | {"DATABASE_OWNER_URL"},
    "demo": _APP | {"DATABASE_OWNER_URL"},
}
_OWNERS = {"maintenance", "migrate", "demo"}
#: What may wait starts this many seconds later, so that the first web process answers the sooner.
_DELAY = 7.0
#: In a container everybody is root; ten lines about it would hide the addresses and logins.
_WARNINGS = "ignore:You're running the worker with superuser privileges"
#: What a process gets that shall know nothing of ours.
_BARE = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")


def variables(kind: str, environment: Environment, outside: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables of a process of this kind."""
    ours = environment.as_variables()
    ours |= dict.fromkeys(ours.keys() & SECRETS - SECRETS_OF[kind], "")
    ours["DATABASE_ROLE"] = "owner" if kind in _OWNERS else "app"
    others = {name: value for name, value in outside.items() if name not in READABLE}
    return others | ours | {"PYTHONUNBUFFERED": "1"}


def bare_variables(outside: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a process that gets no variable of ours, and so no secret."""
    return {name: outside[name] for name in _BARE if name in outside} | {"PYTHONUNBUFFERED": "1"}


def manage(kind: str, environment: Environment, *arguments: str) -> Child:
    """`manage.py` with the rights of this kind of process."""
    return Child(kind, [sys.executable, "manage.py", *arguments], variables(kind, environment))


def children(environment: Environment, listener: int, demo_port: int | None) -> list[Child]:
    """What `make run` keeps running: `listener` is the socket that all web processes accept from."""

    def celery(name: str, *arguments: str) -> Child:
        argv = [sys.executable, "-m", "celery", "-A", "qualisys", "--quiet", *arguments, "-l", "INFO"]
        env = variables(name, environment) | {"PYTHONWARNINGS": _WARNINGS}
        return Child(name, argv, env, delay=_DELAY)

    def worker(name: str, queue: str, concurrency: int) -> Child:
        # Gossip and mingle serve fleets that talk to each other; they would delay the start by a second.
        quiet = ("--without-gossip", "--without-mingle")
        return celery(
            name, "worker", "-n", f"{name}@%h", "-Q", queue, "--concurrency", str(concurrency), *quiet
        )

    return [
        *(_web(number + 1, environment, listener) for number in range(environment.web_processes)),
        *([_demo_model(demo_port)] if demo_port else []),
        worker("runner", "runs", 2),
        worker("worker", "default", 1),
        worker("maintenance", "maintenance", 1),
        # No pid file: after a `kill -9` it would keep the scheduler from starting.
        celery("scheduler", "beat", "--pidfile=", "-s", str(schedule_file(environment))),
        replace(manage("relay", environment, "relay"), delay=_DELAY),
    ]


def schedule_file(environment: Environment) -> Path:
    """Where the scheduler remembers when it last ran what."""
    return environment.qualisys_home / "schedule"


def _web(number: int, environment: Environment, listener: int) -> Child:
    argv = [sys.executable, "-m", "uvicorn", "qualisys.asgi:application", "--fd", str(listener)]
    argv += ["--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio", "--no-access-log"]
    argv += ["--timeout-graceful-shutdown", "5"]
    env = variables("web", environment)
    delay = 0.0 if number == 1 else _DELAY * 0.7
    return Child(f"web-{number}", argv, env, stage=0, delay=delay, pass_fds=[listener])


def _demo_model(port: int) -> Child:
    argv = [sys.executable, "-m", "agents.demo", "--port", str(port)]
    return Child("demo-model", argv, bare_variables())

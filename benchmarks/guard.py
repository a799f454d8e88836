"""What the guard costs a run, in wall time: `python -m benchmarks.guard`, in the environment of an installation.

Admission and settlement of a run that ends well at once, against a real server, by one caller and by twenty; the
composition in `benchmarks/composition.py` does the same in turn, in the same process. Both check two circuits, runs a
minute and at once, tokens a day and a month of agent and tenant; both book what was used and keep the result.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any
from uuid import UUID

import django
import orjson

from benchmarks.stage import Stage
from qualisys.ids import uuid7

#: A database of its own: no relay waits for what is spooled there.
DATABASE = 7
CALLERS = (1, 20)
ROUNDS = 7
TENANT, AGENT, MODEL = UUID(int=1), "agent", "model"
TOKENS, USED = 4096, 500
#: About as large as a run's own: what a reaper needs, what is answered, what is logged.
PAYLOAD = {f"field_{number}": "x" * 24 for number in range(16)}
RESULT, ENTRY = orjson.dumps(PAYLOAD), orjson.dumps([PAYLOAD, PAYLOAD])

Run = Callable[[], Awaitable[None]]


def figures(stage: Stage, seconds: float) -> dict[str, float]:
    """Return microseconds a run, as `guard_20`: by who guards it and how many call at once."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.guard", str(seconds)],
        env=dict(stage.env), stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    found: dict[str, float] = orjson.loads(done.stdout)
    return found


def main() -> None:
    """Print the figures as JSON; the argument is how many seconds each measurement takes."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")
    url = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{DATABASE}"
    os.environ["REDIS_URL"] = url
    django.setup()
    _leave_the_server_its_core()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(_measure(url, seconds))))


def _leave_the_server_its_core() -> None:
    """Move to the cores that this process was not started on, which the servers have."""
    if others := set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0):
        os.sched_setaffinity(0, others)


async def _measure(url: str, seconds: float) -> dict[str, float]:
    from benchmarks.composition import Composition
    from qualisys import redis as qredis

    client, composition = qredis.client(), Composition(url)
    await client.call("FLUSHDB")
    await client.remember()
    await client.call("SET", f"seeded:{TENANT}", await client.call("GET", "memory"))
    await composition.initialize()
    who: dict[str, Run] = {
        "guard": _guarded(),
        "composition": lambda: composition.whole(
            str(TENANT), AGENT, MODEL, TOKENS, USED, str(uuid7()), RESULT, ENTRY
        ),
        "lean": lambda: composition.lean(str(TENANT), AGENT, MODEL, TOKENS),
    }
    found: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        for callers in CALLERS:
            for name, run in who.items():
                took = await _loop(run, callers, seconds if number else seconds / 2)
                if number:
                    found.setdefault(f"{name}_{callers}", []).append(took)
                await client.call("DEL", "spool", "handed")
    await client.call("FLUSHDB")
    return {name: median(each) for name, each in found.items()}


async def _loop(run: Run, callers: int, seconds: float) -> float:
    """Return the wall time of a run in microseconds, where so many callers go on at once."""
    until, done = time.perf_counter() + seconds, 0

    async def call() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await run()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return (time.perf_counter() - began) / done * 1e6


def _guarded() -> Run:
    from agents.guard import Lease, Settlement, admit, settle

    plan = _plan()
    grant = plan.grant(500)

    async def run() -> None:
        lease = Lease(uuid7(), TENANT, AGENT, TENANT)
        admitted = await admit(lease, plan, grant, epochs={}, process="bench", payload=PAYLOAD)
        outcome = Settlement(
            events=[(1, "run.completed", RESULT)], result=RESULT, entry=ENTRY, own="ok", model="ok", tokens=USED,
            cost_micros=100, day=admitted.day,
        )  # fmt: skip
        assert await settle(lease, outcome)

    return run


def _plan() -> Any:
    from agents.guard import Candidate, Plan
    from agents.guard.plan import Price
    from agents.limits.numbers import CONDUCT_DEFAULTS
    from agents.limits.settle import Settled

    much = {"runs_per_minute": 1_000_000, "concurrent_runs": 1_000_000}
    tokens = {"daily_tokens": 10**15, "monthly_tokens": 10**15}
    limits = Settled(tokens, {**much, **tokens}, CONDUCT_DEFAULTS, 100, {}, {}, {})
    candidates = [Candidate("openai", MODEL, Price(2.5, 10))]
    return Plan(TENANT, AGENT, candidates, limits, TOKENS, 60, 600, customized=False, shadow=False)


if __name__ == "__main__":
    main()

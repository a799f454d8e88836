"""How long it takes to resolve what a run is told, in process: `python -m benchmarks.resolve`.

500 tenants with an override of each of 50 agents, asked in random order, as a busy process meets them. The registries'
loaders are replaced, because what is measured is what happens in steady state: memory, epochs and the merge.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any
from uuid import UUID

import django
import orjson

from benchmarks import load
from benchmarks.cases import detail
from benchmarks.stage import Stage

TENANTS, AGENTS = 500, 50
ROUNDS = 4
RULES = "Number every requirement as REQ-<area>-<number> and keep the wording of the standard throughout. "


def figures(stage: Stage, seconds: float) -> dict[str, float]:
    """Return microseconds of resolving in process, and of an agent's page by API at one client."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.resolve"],
        env=dict(stage.env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    found = {name: value / 1e3 for name, value in orjson.loads(done.stdout).items()}
    load.run(detail(stage), 1, 0.5)
    ends = sorted(load.run(detail(stage), 1, seconds).ends)
    for percent in (50, 99):
        found[f"http_p{percent}"] = ends[len(ends) * percent // 100] * 1e6
    return found


def main() -> None:
    """Print nanoseconds as JSON: the first resolution of each pair, and those that follow."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")
    django.setup()
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(_measure())))


async def _measure() -> dict[str, float]:
    from agents import registry
    from qualisys import cache
    from tenants import effective
    from tenants.overrides import registry as overrides
    from versions import registry as versions

    tenants = _tenants()
    cache.epochs.known = dict.fromkeys((cache.AGENTS, cache.TENANTS, *(str(t.id) for t in tenants)), "0")
    _serve(registry._agents, _agent)
    _serve(versions._versions, _versions)
    _serve(overrides._overrides, _overrides)
    pairs = [(tenant, f"agent-{number}") for tenant in tenants for number in range(AGENTS)]
    random.Random(1).shuffle(pairs)
    samples: list[list[int]] = []
    for _ in range(ROUNDS):
        took = []
        for tenant, agent_id in pairs:
            began = perf_counter_ns()
            agent = await registry.find(agent_id)
            assert agent is not None
            await effective.resolve(tenant, agent)
            took.append(perf_counter_ns() - began)
        samples.append(sorted(took))
    return {
        "first_p50": _share(samples[0], 50),
        "p50": _share(samples[-1], 50),
        "p99": _share(samples[-1], 99),
    }


def _share(ordered: list[int], percent: int) -> float:
    return float(ordered[len(ordered) * percent // 100])


def _serve(cached: Any, load: Callable[[Any], Any]) -> None:
    """Let a registry load from here, without Redis in between."""
    cached._load, cached._redis_key = load, None


def _tenants() -> list[Any]:
    from qualisys import tenancy

    return [tenancy.Tenant(UUID(int=number), f"t{number}", "T", "enterprise") for number in range(TENANTS)]


def _agent(agent_id: str) -> Any:
    from agents.registry import Agent

    return Agent(
        "1", agent_id, "A", "", "custom", "custom", "openai", "m", 900, 60, (), ("dev",), {}, (), (), "", True
    )


def _versions(agent_id: str) -> Any:
    from versions.rollout import Version
    from versions.semver import SemVer

    shares = ((2, 20), (1, 50), (0, 100))
    return tuple(
        Version(agent_id, SemVer(1, minor, 0), RULES * 20, {}, f"{minor}", "active", share)
        for minor, share in shares
    )


def _overrides(tenant_id: UUID) -> Any:
    from tenants.overrides.merge import Override
    from tenants.overrides.wishes import Wishes

    return {f"agent-{number}": Override(Wishes(custom_prompt=RULES), 1) for number in range(AGENTS)}


if __name__ == "__main__":
    main()

"""The guard for tests: plans without a database, and contenders in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID, uuid4

from agents.guard.plan import Candidate, Plan, Price
from agents.limits.numbers import CONDUCT_DEFAULTS, Numbers
from agents.limits.services import set_limits
from agents.limits.settle import Settled
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.access import System
from tests.portal import ROOT

FREE = Price(0, 0)


def plan(
    *,
    tenant_id: UUID | None = None,
    agent_id: str = "guarded",
    models: Sequence[str] = ("m",),
    max_tokens: int = 100,
    timeout: int = 60,
    customized: bool = False,
    shadow: bool = False,
    price: Price = FREE,
    agent: dict[str, Any] | None = None,
    tenant: dict[str, Any] | None = None,
    conduct: dict[str, Any] | None = None,
    seeded_before: bool = False,
) -> Plan:
    """Return a plan with these limits and no others; its tenant's counters are seeded, unless they are anyway."""
    tenant_id = tenant_id or uuid4()
    if not seeded_before:
        seeded(tenant_id)
    limits = Settled(agent or {}, tenant or {}, {**CONDUCT_DEFAULTS, **(conduct or {})}, 100, {}, {}, {})
    candidates = [Candidate("openai", model, price) for model in models]
    return Plan(tenant_id, agent_id, candidates, limits, max_tokens, timeout, 0, customized, shadow)


def seeded(tenant_id: UUID) -> None:
    """Let the guard know what the tenant has used: nothing."""
    client = qredis.sync_client()
    qredis.begin_memory()
    client.set(f"seeded:{tenant_id}", client.get("memory") or b"")


def limit(agent_id: str | None = None, tenant: tenancy.Tenant | None = None, **numbers: Any) -> None:
    """Set the platform's limits of a scope, as an administrator does."""
    with tenancy.use(tenancy.platform("tests")):
        set_limits(
            actor=System("tests"),
            numbers=Numbers(**numbers),
            agent_id=agent_id,
            tenant_id=tenant.id if tenant else None,
        )


def sweep() -> None:
    """Take entries out of the spool that no run is behind."""
    client = qredis.sync_client()
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange("spool"))
    for key, fields in entries:
        if fields == {b"entry": b"{}"}:
            client.xdel("spool", key)


def contend(module: str, processes: int, **told: Any) -> list[dict[str, Any]]:
    """Run `module` in several processes at once, each with `told` on its command line; return what they print."""
    command = [sys.executable, "-m", module, json.dumps(told, default=str)]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    started = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE) for _ in range(processes)]
    printed = [process.communicate(timeout=600)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return [json.loads(text) for text in printed]

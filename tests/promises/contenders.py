"""A process that contends for the guard: `python -m tests.promises.contenders '{"do": ...}'` prints what it got.

`reserve` asks for budget as often and as fast as it can, `probe` for every trial's half-open circuit: first the guard,
then in the naive steps that lose races.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import UUID, uuid4

import django

django.setup()

from agents.guard import Grant, Lease, Plan, admit  # noqa: E402
from qualisys import redis as qredis  # noqa: E402
from qualisys.problems import Problem  # noqa: E402
from tests import guarding  # noqa: E402


async def admitted(plan: Plan, tokens: int = 0) -> bool:
    lease = Lease(uuid4(), plan.tenant_id, plan.agent_id, uuid4())
    try:
        await admit(lease, plan, Grant(tokens, tokens, 0), epochs={}, process="contender", payload={})
    except Problem as problem:
        if problem.code not in ("token_budget_exceeded", "agent_circuit_open"):
            raise
        return False
    return True


async def naive_reserve(plan: Plan, tokens: int) -> bool:
    """Check, then record: the way that overspends."""
    redis = qredis.client()
    key = f"naive:{plan.tenant_id}"
    used = int(await redis.call("GET", key) or 0)
    if used + tokens > int(plan.limits.tenant["daily_tokens"]):
        return False
    await redis.call("INCRBY", key, tokens)
    return True


async def naive_probe(plan: Plan) -> bool:
    """Look, then claim: the way that sends a crowd to a provider that has just come back."""
    redis = qredis.client()
    (own, _, _) = plan.circuits_of(plan.candidates[0])
    state, until = await redis.call("HMGET", own, "state", "until")
    if state == b"half_open" or int(until) > 0:
        return False
    await redis.call("HSET", own, "state", "half_open", "until", 1 << 52)
    return True


async def reserve(told: dict[str, Any], *, naive: bool) -> int:
    plan = guarding.plan(tenant_id=UUID(told["tenant"]), tenant={"daily_tokens": told["limit"]})
    one = naive_reserve if naive else admitted
    got = 0
    for _ in range(told["times"] // 250):
        got += sum(await asyncio.gather(*(one(plan, told["tokens"]) for _ in range(250))))
    return got


async def probe(told: dict[str, Any], *, naive: bool) -> list[int]:
    one = naive_probe if naive else admitted
    tenant = UUID(told["naive_tenant" if naive else "tenant"])
    got = []
    for trial in range(told["trials"]):
        plan = guarding.plan(tenant_id=tenant, agent_id=f"trial-{trial}", customized=True)
        got.append(sum(await asyncio.gather(*(one(plan) for _ in range(told["contenders"])))))
    return got


async def main(told: dict[str, Any]) -> dict[str, Any]:
    try:
        do = {"reserve": reserve, "probe": probe}[told["do"]]
        return {"guard": await do(told, naive=False), "naive": await do(told, naive=True)}
    finally:
        await qredis.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))

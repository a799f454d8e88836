"""Within which bounds a run may go: the guard's plan for a configuration, worked out once and kept while it holds."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple
from uuid import UUID

import orjson

from agents import prices, providers, stops
from agents.guard import Admitted, Candidate, Grant, Lease, Plan
from agents.limits import registry as limits
from agents.limits.settle import Rows, settle
from agents.prices import Prices
from agents.stops import Stops
from qualisys import tenancy
from qualisys.problems import Problem
from tenants.overrides.merge import Effective
from versions.rollout import BUCKETS, bucket


class Bounds(NamedTuple):
    """What a run was admitted with."""

    lease: Lease
    plan: Plan
    grant: Grant
    admitted: Admitted

    @property
    def candidate(self) -> Candidate:
        """The model that the guard chose."""
        return self.plan.candidates[self.admitted.candidate]


_Known = tuple[Effective, Rows, Prices, Stops, Plan]
_plans: OrderedDict[tuple[UUID, str], _Known] = OrderedDict()
_PLANS_AT_MOST = 50_000


async def plan_for(tenant: tenancy.Tenant, effective: Effective) -> Plan:
    """Return the guard's plan for a configuration; raise `model_stopped` where no model of it may be called."""
    rows, table, stopped = await limits.of(tenant.id), await prices.table(), await stops.current()
    key = (tenant.id, effective.agent.agent_id)
    found = _plans.get(key)
    if (
        found is not None
        and found[0] is effective
        and found[1] is rows
        and found[2] is table
        and found[3] is stopped
    ):
        return found[4]
    plan = make_plan(tenant, effective, rows, table, stopped)
    _plans[key] = (effective, rows, table, stopped, plan)
    if len(_plans) > _PLANS_AT_MOST:
        _plans.popitem(last=False)
    return plan


def make_plan(
    tenant: tenancy.Tenant, effective: Effective, rows: Rows, table: Prices, stopped: Stops
) -> Plan:
    """Return the plan; pure, so that pages show what the guard does."""
    agent = effective.agent
    wanted = [(effective.provider, effective.model), *effective.fallbacks]
    candidates = [
        Candidate(provider, model, prices.price_of(table, provider, model, demo=providers.is_demo(provider)))
        for provider, model in wanted
        if not stops.is_stopped(stopped, provider, model)
    ]
    if not candidates:
        detail = f"The model {effective.model} was stopped by the platform's administrators."
        raise Problem(
            "model_stopped", detail, extra={"provider": effective.provider, "model": effective.model}
        )
    settled = settle(rows, agent.agent_id, agent.max_tokens_per_invocation)
    return Plan(
        tenant_id=tenant.id,
        agent_id=agent.agent_id,
        candidates=candidates,
        limits=settled,
        max_tokens=effective.max_tokens,
        timeout_seconds=effective.timeout_seconds,
        base_bytes=len(effective.system_prompt.encode(errors="replace"))
        + (len(orjson.dumps(effective.output_schema)) if effective.output_schema else 0),
        customized=effective.customized,
        shadow=is_in_shadow(tenant.id, settled.guard_percentage),
    )


def is_in_shadow(tenant_id: UUID, percentage: int) -> bool:
    """Tell whether the guard only watches a tenant: it is rolled out to tenants as versions are, by bucket."""
    return percentage < 100 and bucket("guard", "", tenant_id) >= percentage * BUCKETS // 100

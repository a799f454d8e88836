"""The way of a run, forward only: configuration, gate, admit, model, relay, settle.

`start` does everything that can still refuse and returns a running `Execution`; the execution ends itself, in
every case exactly once, by settling. Whoever waits for it (a request, a stream, a task) only watches.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any
from uuid import UUID

from agents import metrics
from agents.guard import Grant, Lease, Plan, Stale, Unseeded, admit, seeding
from governance import gates
from governance.runs import conversation, record, refused
from governance.runs.bounds import Bounds, plan_for
from governance.runs.calling import Messages
from governance.runs.conversation import Context
from governance.runs.execution import Execution, Mode, executions
from governance.runs.request import RunRequest
from qualisys import tenancy
from qualisys.ids import uuid7
from qualisys.problems import Problem
from qualisys.pulse import pulse
from qualisys.redis import RedisUnavailable
from tenants import effective as effective_configuration
from tenants.identity import Identity
from tenants.overrides.merge import Effective, Override

#: How often a run is tried anew because what it knew had changed meanwhile: about a second.
ATTEMPTS = 10
#: Refusals that pass by themselves, soon: a run that nobody waits for is tried again.
PASSING = frozenset({"guard_unavailable", "rate_limited"})


async def start(
    identity: Identity,
    agent_id: str,
    request: RunRequest,
    *,
    mode: Mode,
    run_id: UUID | None = None,
    draft: Override | None = None,
) -> Execution:
    """Start a governed run and return it; raise the Problem of whatever refuses it.

    A `draft` stands in for the tenant's override: a trial of what is not saved, governed like any run.
    """
    assert identity.tenant is not None
    tenant = identity.tenant
    run_id = run_id or uuid7()
    for attempt in range(ATTEMPTS):
        epochs = await effective_configuration.epochs_for(tenant)
        began = perf_counter()
        effective, context = await configure(identity, tenant, agent_id, request, draft)
        plan = await plan_for(tenant, effective)
        metrics.RESOLVE.observe(perf_counter() - began)
        messages = conversation.messages(effective.system_prompt, context, request)
        grant = plan.grant(_size(messages), messages=len(messages))
        await gates.before_run(effective, request)
        begun = record.begin(run_id, identity, effective, request, context)
        lease = Lease(run_id, tenant.id, agent_id, context.conversation_id)
        try:
            bounds = await _admitted(lease, plan, grant, epochs, begun)
        except Problem as problem:
            if mode == "background" and problem.code in PASSING:
                raise
            raise refused.noted(begun, problem) from None
        if bounds is None:
            # Changes come in bursts (an administrator at work, the outbox behind them): let it pass.
            await asyncio.sleep(0.02 * attempt)
            continue
        record.answered(begun, bounds.candidate.provider, bounds.candidate.model)
        begun["shadow_code"] = bounds.admitted.shadow
        limit, left, _ = bounds.admitted.tokens
        metrics.budget(agent_id, tenant.schema, limit, left)
        executions[run_id] = Execution(bounds, begun, effective, request, context, messages, mode)
        return executions[run_id]
    raise Problem("conflict", "The agent's configuration is changing right now. Try again.")


async def _admitted(
    lease: Lease, plan: Plan, grant: Grant, epochs: dict[str, str], begun: dict[str, Any]
) -> Bounds | None:
    """Return the bounds of an admitted run, None where it must be tried anew; raise what the guard refuses."""
    payload = {**begun, "granted": grant._asdict()}
    try:
        began = perf_counter()
        admitted = await admit(lease, plan, grant, epochs=epochs, process=pulse().process, payload=payload)
        metrics.GUARD.observe(perf_counter() - began)
        return Bounds(lease, plan, grant, admitted)
    except Stale:
        return None
    except Unseeded:
        await seeding.seed(plan.tenant_id)
        return None
    except RedisUnavailable as error:
        detail = "The guard cannot be asked, so nothing may run. Try again in a few seconds."
        raise Problem("guard_unavailable", detail, headers={"Retry-After": "2"}) from error


def _size(messages: Messages) -> int:
    """Return the bytes of what the caller brings: everything behind the instructions."""
    return sum(len(message["content"].encode(errors="replace")) for message in messages[1:])


async def configure(
    identity: Identity,
    tenant: tenancy.Tenant,
    agent_id: str,
    request: RunRequest,
    draft: Override | None = None,
) -> tuple[Effective, Context]:
    """Return what the run is told and the conversation it continues or begins."""
    agent = await effective_configuration.visible(identity, agent_id, even_off=draft is not None)
    if not identity.has_perm("agents.run_agentdefinition", agent):
        raise Problem("permission_denied", f"Your role may see '{agent.name}' but not run it.")
    if request.conversation_id is None or request.begins:
        effective = await effective_configuration.resolve(tenant, agent, draft=draft)
        begun = request.conversation_id or uuid7()
        return effective, Context(begun, tenant.id, agent_id, identity.user_id, str(effective.version.number))
    context = await conversation.load(identity, tenant, agent_id, request.conversation_id)
    return await effective_configuration.resolve(tenant, agent, keep_version=context.version), context


async def shut_down() -> None:
    """End the runs of this process before it ends itself."""
    running = list(executions.values())
    for execution in running:
        execution.cancel("shutdown")
    await asyncio.gather(*(execution.finished(5) for execution in running))

"""What a process asks about its own runs twice a second: was one cancelled, taken over, forgotten, left, or stopped?"""

from __future__ import annotations

import asyncio

from agents import metrics, registry, stops
from agents.guard import circuits, restore, scripts
from agents.guard.admission import SPOOL, events_key, lease_key
from governance.runs import kept
from governance.runs.execution import Execution, executions
from governance.runs.stream import READER_GRACE
from qualisys import cache
from qualisys import redis as qredis
from qualisys.pulse import pulse
from tenants import directory

#: The epochs under which running runs were last held against the rules.
_judged: dict[str, str] = {}


async def tick() -> None:
    """Stop the runs that should not go on; note how many ended ones wait to be written."""
    running = list(executions.values())
    if running:
        await _look(running)
        await _judge(running)
    await kept.tick()
    await _export()
    metrics.BACKLOG.set(await qredis.client().call("XLEN", SPOOL))


async def _export() -> None:
    """Show every agent's circuit in the metrics: as tenants that run it unchanged meet it."""
    agents = {agent.agent_id: agent for agent in await registry.enabled()}
    states = dict.fromkeys(agents, "closed")
    for reading in await circuits.not_closed():
        circuit = reading.circuit
        agent = agents.get(circuit.agent_id or "")
        # A circuit of a model that the agent has no longer refuses nobody.
        if (
            agent
            and circuit.tenant_id is None
            and (circuit.provider, circuit.model) == (agent.llm_provider, agent.llm_model)
        ):
            states[agent.agent_id] = reading.state
    metrics.circuits(states)


async def _look(running: list[Execution]) -> None:
    answers = await qredis.client().run(scripts.LOOK, (), [str(each.lease.run_id) for each in running])
    now = asyncio.get_running_loop().time()
    for execution, answer in zip(running, answers, strict=True):
        if answer == 1 or execution.log.cancel_asked:
            execution.cancel("asked")
        elif answer == -1 or execution.log.lost:
            execution.cancel("lost")
        elif answer == 3 and execution.end is None:
            await _restore(execution)
        elif _left_alone(execution, now, read_elsewhere=answer == 0):
            execution.cancel("no reader")


async def _restore(execution: Execution) -> None:
    bounds = execution.bounds
    payload = {**execution.begun, "granted": bounds.grant._asdict()}
    await restore(
        bounds.lease, bounds.plan, bounds.grant, bounds.admitted, process=pulse().process, payload=payload
    )


def _left_alone(execution: Execution, now: float, *, read_elsewhere: bool) -> bool:
    if execution.mode != "stream" or execution.log.readers or read_elsewhere:
        return False
    return now - execution.log.left_at >= READER_GRACE


async def _judge(running: list[Execution]) -> None:
    """Stop runs of agents, models and organisations that were stopped meanwhile, once per change of anything.

    What a tenant turns off for itself ends with what is under way: its switch is for convenience, not for danger.
    """
    global _judged
    if cache.epochs.known == _judged:
        return
    known = dict(cache.epochs.known)
    stopped = await stops.current()
    for execution in running:
        agent = await registry.find(execution.lease.agent_id)
        tenant = await directory.by_id(execution.lease.tenant_id)
        answering = execution.call.candidate
        if agent is None or not agent.enabled:
            execution.cancel("agent_not_found")
        elif stops.is_stopped(stopped, answering.provider, answering.model):
            execution.cancel("model_stopped")
        elif tenant is None or tenant.status != "active":
            execution.cancel("permission_denied")
    _judged = known


async def cancel(run_id: object) -> bool:
    """Ask whichever process executes the run to stop; return False where nobody does."""
    local = next((each for each in executions.values() if each.lease.run_id == run_id), None)
    if local is not None and local.end is None:
        local.cancel("asked")
        return True
    reply = await qredis.client().run(scripts.CANCEL, [lease_key(str(run_id)), events_key(str(run_id))], [])
    return bool(reply == 1)

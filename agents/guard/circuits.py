"""Circuits as people see them: what state they are in, and closing them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction

from agents.guard import scripts
from agents.guard.plan import Plan
from agents.models import AgentDefinition
from agents.selectors import get_agent
from qualisys import audit
from qualisys import redis as qredis
from qualisys.access import Actor, check
from qualisys.database.threads import in_thread

State = Literal["closed", "open", "half_open"]

INDEX = "circuits"
RESET = "agents.reset_circuit"


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whose failures it counts (an agent, an agent in one tenant, or any agent: None) with which model."""

    agent_id: str | None
    tenant_id: UUID | None
    provider: str
    model: str

    @classmethod
    def parse(cls, name: str) -> Circuit:
        """Return the circuit that a key names."""
        scope, provider, model = name.removeprefix("circuit:").split("|", 2)
        agent_id, _, tenant = scope.partition("@")
        return cls(None if agent_id == "*" else agent_id, UUID(tenant) if tenant else None, provider, model)

    @property
    def name(self) -> str:
        """Its key."""
        scope = "*" if self.agent_id is None else self.agent_id
        if self.tenant_id:
            scope += f"@{self.tenant_id}"
        return f"circuit:{scope}|{self.provider}|{self.model}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A circuit's state: for how many seconds it stays so, since when, because of what, failures remembered."""

    circuit: Circuit
    state: State
    seconds: float
    since: datetime | None
    reason: str
    failures: int


async def read(names: Sequence[str]) -> list[Reading]:
    """Return the state of circuits, in the order of their names."""
    if not names:
        return []
    rows = await qredis.client().run(scripts.READ, (), list(names))
    return [_reading(name, row) for name, row in zip(names, rows, strict=True)]


async def not_closed() -> list[Reading]:
    """Return every circuit that is open or half-open, by name."""
    names = sorted(name.decode() for name in await qredis.client().call("SMEMBERS", INDEX))
    readings = await read(names)
    if forgotten := [each.circuit.name for each in readings if each.state == "closed"]:
        await qredis.client().call("SREM", INDEX, *forgotten)
    return [each for each in readings if each.state != "closed"]


async def met_by(plan: Plan) -> tuple[State, list[Reading]]:
    """Return what a tenant's runs of an agent meet: the state of the best candidate, and all their circuits."""
    names = [[name for name in plan.circuits_of(each)[:2] if name] for each in plan.candidates]
    readings = await read([name for each in names for name in each])
    rank: dict[str, int] = {"closed": 0, "half_open": 1, "open": 2}
    rest = iter(readings)
    worst = [max((next(rest).state for _ in each), key=rank.__getitem__) for each in names]
    return min(worst, key=rank.__getitem__), readings


def show(reading: Reading) -> dict[str, Any]:
    """Return a reading as JSON values."""
    circuit = reading.circuit
    return {
        "scope": "model" if circuit.agent_id is None else "tenant" if circuit.tenant_id else "agent",
        "provider": circuit.provider,
        "model": circuit.model,
        "state": reading.state,
        "retry_after": round(reading.seconds) if reading.state != "closed" else None,
        "since": reading.since.isoformat() if reading.since else None,
        "reason": reading.reason,
        "failures": reading.failures,
    }


async def reset(
    *, actor: Actor, agent_id: str, tenant_id: UUID | None = None, reason: str = ""
) -> list[Circuit]:
    """Close every circuit that refuses an agent, its tenants' and its models' included; return those that did.

    With a tenant, only that tenant's own. It is on record before it happens.
    """
    check(actor, RESET)
    agent = await in_thread(get_agent, agent_id)
    known = [Circuit.parse(name.decode()) for name in await qredis.client().call("SMEMBERS", INDEX)]
    names = sorted({circuit.name for circuit in _refusing(agent, known, tenant_id)})
    await in_thread(_record, agent_id, tenant_id, names, reason)
    if not names:
        return []
    closed = await qredis.client().run(scripts.RESET, (), [reason[:200], *names])
    return [Circuit.parse(name.decode()) for name in closed]


def _refusing(agent: AgentDefinition, known: Iterable[Circuit], tenant_id: UUID | None) -> list[Circuit]:
    own = [
        each
        for each in known
        if each.agent_id == agent.agent_id and (tenant_id is None or each.tenant_id == tenant_id)
    ]
    if tenant_id is not None:
        return own
    models = {(agent.llm_provider, agent.llm_model)}
    models |= {(each["provider"], each["model"]) for each in agent.fallbacks}
    models |= {(each.provider, each.model) for each in own}
    # Failures are forgotten too, where they have not opened anything yet.
    of_models = [Circuit(whose, None, *model) for model in models for whose in (None, agent.agent_id)]
    return [*own, *of_models]


def _record(agent_id: str, tenant_id: UUID | None, names: list[str], reason: str) -> None:
    with transaction.atomic(), audit.because(reason):
        audit.record(
            "circuit.reset",
            object_type="circuit",
            object_id=agent_id,
            tenant_id=tenant_id,
            after={"circuits": names},
        )


def _reading(name: str, row: Sequence[Any]) -> Reading:
    state, left, since, reason, failures = row
    return Reading(
        Circuit.parse(name),
        state.decode(),
        max(0, left) / 1000,
        datetime.fromtimestamp(int(float(since)) / 1000, UTC) if since else None,
        reason.decode(),
        failures,
    )

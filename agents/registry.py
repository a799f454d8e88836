"""The registry as the run path reads it: definitions from memory, then Redis, then the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agents.models import AgentDefinition
from qualisys import cache, tenancy
from qualisys.cache import Cached

#: Seconds a definition may live in Redis (AC2 of story 6.5a); an epoch ends it earlier.
TTL = 3600

#: Access levels that include running.
RUNNING = frozenset({"full", "run"})


@dataclass(frozen=True, slots=True)
class Agent:
    """A definition as plain values."""

    id: str
    agent_id: str
    name: str
    description: str
    type: str
    phase: str
    llm_provider: str
    llm_model: str
    max_tokens_per_invocation: int
    timeout_seconds: int
    input_types: tuple[str, ...]
    required_roles: tuple[str, ...]
    access: Mapping[str, str]
    approval_gates: tuple[Mapping[str, Any], ...]
    tags: tuple[str, ...]
    icon: str
    enabled: bool
    #: Provider and model, in order, for when the agent's own is away.
    fallbacks: tuple[tuple[str, str], ...] = ()

    def access_of(self, role: str | None) -> str | None:
        """Return what `role` may do with the agent, or None where it does not even see it."""
        if role is None:
            return None
        if self.access:
            return self.access.get(role)
        return "full" if role in self.required_roles else None


def from_model(row: AgentDefinition) -> Agent:
    """Return a row as values."""
    return Agent(
        id=str(row.pk),
        agent_id=row.agent_id,
        name=row.name,
        description=row.description,
        type=row.type,
        phase=row.phase,
        llm_provider=row.llm_provider,
        llm_model=row.llm_model,
        max_tokens_per_invocation=row.max_tokens_per_invocation,
        timeout_seconds=row.timeout_seconds,
        input_types=tuple(row.input_types),
        required_roles=tuple(row.required_roles),
        access=row.access,
        approval_gates=tuple(row.approval_gates),
        tags=tuple(row.tags),
        icon=row.icon,
        enabled=row.enabled,
        fallbacks=tuple((each["provider"], each["model"]) for each in row.fallbacks),
    )


def _load(agent_id: str) -> Agent | None:
    with tenancy.use(tenancy.platform("read the registry")):
        row = AgentDefinition.objects.filter(agent_id=agent_id).first()
    return from_model(row) if row else None


def _load_ids(_: str) -> tuple[str, ...]:
    with tenancy.use(tenancy.platform("read the registry")):
        return tuple(AgentDefinition.objects.filter(enabled=True).values_list("agent_id", flat=True))


def _parse(value: dict[str, Any] | None) -> Agent | None:
    if value is None:
        return None
    tuples = {key: tuple(value[key]) for key in ("input_types", "required_roles", "approval_gates", "tags")}
    fallbacks = tuple((provider, model) for provider, model in value.get("fallbacks", ()))
    return Agent(**{**value, **tuples, "fallbacks": fallbacks})


_agents: Cached[str, Agent | None] = Cached(
    _load,
    topics=lambda _: (cache.AGENTS,),
    redis_key=lambda agent_id: f"agent_def:{agent_id}",
    ttl=TTL,
    dump=lambda agent: asdict(agent) if agent else None,
    parse=_parse,
)
_ids: Cached[str, tuple[str, ...]] = Cached(
    _load_ids,
    topics=lambda _: (cache.AGENTS,),
    redis_key=lambda _: "agent_ids",
    ttl=TTL,
    dump=list,
    parse=tuple,
)


async def find(agent_id: str) -> Agent | None:
    """Return the agent, enabled or not, or None."""
    return await _agents.get(agent_id)


async def enabled() -> list[Agent]:
    """Return every agent that is turned on, by name."""
    found = [await _agents.get(agent_id) for agent_id in await _ids.get("")]
    return [agent for agent in found if agent is not None and agent.enabled]

"""What a run will really be told: definition, version and the tenant's override, merged with provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents import registry
from agents.registry import Agent
from agents.selectors import agent_not_found
from qualisys import cache, tenancy
from qualisys.problems import Problem
from tenants.identity import Identity
from versions import registry as versions
from versions import rollout
from versions.rollout import Reason, Version


@dataclass(frozen=True, slots=True)
class Override:
    """A tenant's wishes for one agent; the empty one changes nothing."""

    enabled: bool = True
    pinned_version: str | None = None

    @property
    def customized(self) -> bool:
        """Whether prompt, model or limits differ, so that failures count for this tenant alone."""
        return False


NO_OVERRIDE = Override()


@dataclass(frozen=True, slots=True)
class Effective:
    """The configuration of one run. `provenance` says of each field where it came from."""

    agent: Agent
    version: Version
    reason: Reason
    system_prompt: str
    output_schema: Mapping[str, Any]
    provider: str
    model: str
    max_tokens: int
    timeout_seconds: int
    gates: tuple[Mapping[str, Any], ...]
    customized: bool
    provenance: Mapping[str, str] = field(default_factory=dict)


async def visible(identity: Identity, agent_id: str) -> Agent:
    """Return an agent the identity may see; raise `agent_not_found` for any other, whatever the cause."""
    agent = await registry.find(agent_id)
    if agent is None or not agent.enabled or not identity.has_perm("agents.view_agentdefinition", agent):
        raise agent_not_found(agent_id)
    return agent


async def override_of(tenant: tenancy.Tenant, agent_id: str) -> Override:
    """Return the tenant's override of an agent."""
    return NO_OVERRIDE


async def resolve(tenant: tenancy.Tenant, agent: Agent, *, keep_version: str | None = None) -> Effective:
    """Return what a run of `agent` for `tenant` is told.

    `keep_version` is a conversation's; it holds until that version is retired. Raises `agent_not_found` where no
    version is usable, `agent_disabled_for_tenant` where the tenant has turned the agent off.
    """
    override = await override_of(tenant, agent.agent_id)
    if not override.enabled:
        raise Problem("agent_disabled_for_tenant", f"'{agent.name}' is turned off for your organisation.")
    found = rollout.resolve(await versions.of(agent.agent_id), tenant.id, override.pinned_version)
    if found is None:
        raise agent_not_found(agent.agent_id)
    version, reason = found
    if keep_version is not None and keep_version != str(version.number):
        version, reason = await _kept(agent.agent_id, keep_version) or found
    return Effective(
        agent=agent,
        version=version,
        reason=reason,
        system_prompt=version.system_prompt,
        output_schema=version.output_schema,
        provider=agent.llm_provider,
        model=agent.llm_model,
        max_tokens=agent.max_tokens_per_invocation,
        timeout_seconds=agent.timeout_seconds,
        gates=agent.approval_gates,
        customized=override.customized,
        provenance={"system_prompt": "version", "output_schema": "version"},
    )


async def _kept(agent_id: str, number: str) -> tuple[Version, Reason] | None:
    for version in await versions.of(agent_id):
        if str(version.number) == number and version.status != "retired":
            return version, "stable" if version.rollout_percentage >= 100 else "rollout"
    return None


async def epochs_for(tenant: tenancy.Tenant) -> dict[str, str]:
    """Return the epochs under which this tenant's configurations are read, for the guard to compare."""
    known = cache.epochs.known
    topics = (cache.AGENTS, cache.TENANTS, str(tenant.id))
    return {topic: known.get(topic) or await cache.epochs.of(topic) for topic in topics}

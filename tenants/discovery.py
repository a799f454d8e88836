"""Which agents a member sees: by role and grants, cached per tenant and role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents import registry
from agents.registry import Agent
from qualisys import cache, tenancy
from qualisys.cache import Cached
from tenants import effective
from tenants.identity import Identity
from versions import registry as versions
from versions import rollout

#: Seconds a discovery answer may live in Redis (AC5 of story 6.5a); an epoch ends it earlier.
TTL = 300


async def discover(identity: Identity, tags: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the cards of the agents the identity sees, by name; with `tags`, those that carry all of them."""
    tenant = tenancy.tenant()
    cards = [await card(identity, tenant, agent) for agent in await registry.enabled() if _sees(identity, agent)]
    return [each for each in cards if each is not None and set(tags) <= set(each["tags"])]


async def card(identity: Identity, tenant: tenancy.Tenant, agent: Agent) -> dict[str, Any] | None:
    """Return one agent's card for the tenant, or None where the tenant cannot use it."""
    override = await effective.override_of(tenant, agent.agent_id)
    found = rollout.resolve(await versions.of(agent.agent_id), tenant.id, override.pinned_version)
    if not override.enabled or found is None:
        return None
    return {
        "agent_id": agent.agent_id,
        "name": agent.name,
        "description": agent.description,
        "tags": list(agent.tags),
        "icon": agent.icon,
        "version": str(found[0].number),
        "may_run": identity.has_perm("agents.run_agentdefinition", agent),
    }


def _sees(identity: Identity, agent: Agent) -> bool:
    return identity.has_perm("agents.view_agentdefinition", agent)

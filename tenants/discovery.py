"""Which agents a member sees: by role and grants, cached per tenant and role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from agents.models import AgentDefinition
from agents.registry import RUNNING, Agent, from_model
from qualisys import cache, tenancy
from qualisys.cache import Cached
from qualisys.problems import Problem
from tenants import directory, effective
from tenants.identity import Identity
from tenants.overrides import registry as overrides
from tenants.overrides.merge import NO_OVERRIDE, Effective
from versions import registry as versions

#: Seconds a discovery answer may live in Redis (AC5 of story 6.5a); an epoch ends it earlier.
TTL = 300

Card = dict[str, Any]


async def discover(identity: Identity, tags: Sequence[str] = ()) -> list[Card]:
    """Return the cards of the agents the identity sees, by name; with `tags`, those that carry all of them."""
    tenant = tenancy.tenant()
    cards = await _cards.get((tenant.id, identity.role))
    if identity.person.grants:
        cards = _granted(identity, await _cards.get((tenant.id, "")))
    return [card for card in cards if set(tags) <= set(card["tags"])]


async def card(identity: Identity, agent: Agent) -> Card | None:
    """Return one agent's card, or None where the tenant cannot use it."""
    try:
        settled = await effective.resolve(tenancy.tenant(), agent)
    except Problem:
        return None
    return _card(settled, identity.has_perm("agents.run_agentdefinition", agent))


def _granted(identity: Identity, everything: Sequence[Card]) -> list[Card]:
    """Return what role and personal grants admit together."""
    grants = {(perm, pk) for perm, pk in identity.person.grants}
    cards = []
    for each in everything:
        access = each["access"].get(identity.role)
        runs = access in RUNNING or ("agents.run_agentdefinition", each["id"]) in grants
        if access or runs or ("agents.view_agentdefinition", each["id"]) in grants:
            cards.append({**each, "may_run": runs})
    return cards


def _load(key: tuple[UUID, str]) -> list[Card]:
    """Return a tenant's cards for a role; for the empty role all of them, each with everybody's access."""
    tenant_id, role = key
    with tenancy.use(tenancy.platform("discover agents")):
        agents = [from_model(row) for row in AgentDefinition.objects.filter(enabled=True).order_by("name")]
    tenant = directory.load_tenant(str(tenant_id))
    if tenant is None:
        return []
    known, published, cards = overrides.load(tenant_id), versions.load_all(), []
    for agent in agents:
        access = agent.access_of(role)
        override = known.get(agent.agent_id, NO_OVERRIDE)
        if not override.enabled or (role and access is None):
            continue
        try:
            settled = effective.settle(tenant, agent, published.get(agent.agent_id, ()), override)
        except Problem:
            # No version of it reaches this tenant.
            continue
        everybody = agent.access or dict.fromkeys(agent.required_roles, "full")
        cards.append({**_card(settled, access in RUNNING), "id": agent.id, "access": dict(everybody)})
    return cards


def _card(settled: Effective, may_run: bool) -> Card:
    agent = settled.agent
    overridden = "tenant" in (settled.provenance["llm_model"], settled.provenance["llm_provider"])
    return {
        "agent_id": agent.agent_id,
        "name": agent.name,
        "description": agent.description,
        "tags": list(settled.tags),
        "icon": agent.icon,
        "version": str(settled.version.number),
        "may_run": may_run,
        "model_override": f"{settled.provider} {settled.model}" if overridden else None,
    }


_cards: Cached[tuple[UUID, str], list[Card]] = Cached(
    _load,
    topics=lambda key: (cache.AGENTS, str(key[0])),
    redis_key=lambda key: f"agent_discovery:{key[0]}:{key[1]}",
    ttl=TTL,
    dump=list,
    parse=list,
)

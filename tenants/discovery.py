"""Which agents a member sees: by role and grants, cached per tenant and role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from agents.models import AgentDefinition
from agents.registry import RUNNING, Agent, from_model
from qualisys import cache, tenancy
from qualisys.cache import Cached
from tenants import effective
from tenants.identity import Identity
from versions import registry as versions
from versions import rollout

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
    tenant = tenancy.tenant()
    found = rollout.resolve(await versions.of(agent.agent_id), tenant.id)
    override = await effective.override_of(tenant, agent.agent_id)
    if found is None or not override.enabled:
        return None
    return _card(agent, found[0], identity.has_perm("agents.run_agentdefinition", agent))


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
    cards = []
    for agent in agents:
        access = agent.access_of(role)
        found = rollout.resolve(versions.load(agent.agent_id), tenant_id)
        if found is None or (role and access is None):
            continue
        everybody = agent.access or dict.fromkeys(agent.required_roles, "full")
        cards.append({**_card(agent, found[0], access in RUNNING), "id": agent.id, "access": dict(everybody)})
    return cards


def _card(agent: Agent, version: rollout.Version, may_run: bool) -> Card:
    return {
        "agent_id": agent.agent_id,
        "name": agent.name,
        "description": agent.description,
        "tags": list(agent.tags),
        "icon": agent.icon,
        "version": str(version.number),
        "may_run": may_run,
    }


_cards: Cached[tuple[UUID, str], list[Card]] = Cached(
    _load,
    topics=lambda key: (cache.AGENTS, str(key[0])),
    redis_key=lambda key: f"agent_discovery:{key[0]}:{key[1]}",
    ttl=TTL,
    dump=list,
    parse=list,
)

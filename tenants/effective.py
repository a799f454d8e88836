"""What a run will really be told: definition, version and the tenant's override, resolved for one tenant."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from django.conf import settings

from agents import registry
from agents.registry import Agent
from agents.selectors import agent_not_found
from qualisys import cache, tenancy
from qualisys.problems import Problem
from tenants.identity import Identity
from tenants.overrides import registry as overrides
from tenants.overrides.merge import Effective, Override, merge
from versions import registry as versions
from versions import rollout
from versions.rollout import Reason, Version

#: What was resolved, with what it was resolved from: the same objects give the same answer.
_Resolved = tuple[Agent, tuple[Version, ...], Override, str, Effective]
_resolved: OrderedDict[tuple[UUID, str], _Resolved] = OrderedDict()
_RESOLVED_AT_MOST = 50_000


async def visible(identity: Identity, agent_id: str, *, even_off: bool = False) -> Agent:
    """Return an agent the identity may see and its tenant uses; raise `agent_not_found` whatever the cause.

    Whoever may configure agents is told where the tenant itself has turned it off; `even_off` gives it anyway,
    for a trial.
    """
    agent = await registry.find(agent_id)
    if agent is None or not agent.enabled or not identity.has_perm("agents.view_agentdefinition", agent):
        raise agent_not_found(agent_id)
    tenant = identity.tenant
    if tenant is not None and not even_off and not (await overrides.of(tenant.id, agent_id)).enabled:
        raise (
            turned_off(agent)
            if identity.has_perm("tenants.change_tenantagentconfig")
            else agent_not_found(agent_id)
        )
    return agent


def turned_off(agent: Agent) -> Problem:
    """Return the refusal of an agent that the tenant has turned off."""
    detail = f"'{agent.name}' is turned off for your organisation. Turn it on under Settings, Agents."
    return Problem("agent_disabled_for_tenant", detail)


def may_replace(tier: str) -> bool:
    """Tell whether a tenant of this tier may replace a prompt as a whole."""
    return bool(settings.TENANT_PROMPT_REPLACE_ENABLED) and tier == "enterprise"


async def resolve(
    tenant: tenancy.Tenant, agent: Agent, *, keep_version: str | None = None, draft: Override | None = None
) -> Effective:
    """Return what a run of `agent` for `tenant` is told.

    `keep_version` is a conversation's; it holds until that version is retired. `draft` stands in for the saved
    override. Raises `agent_not_found` where no version is usable, `agent_disabled_for_tenant` where the tenant
    has turned the agent off.
    """
    override = draft or await overrides.of(tenant.id, agent.agent_id)
    if not override.enabled:
        raise turned_off(agent)
    known = await versions.of(agent.agent_id)
    if keep_version is None and draft is None:
        return _remembered(tenant, agent, known, override)
    return settle(tenant, agent, known, override, keep_version=keep_version)


def _remembered(
    tenant: tenancy.Tenant, agent: Agent, known: tuple[Version, ...], override: Override
) -> Effective:
    key = (tenant.id, agent.agent_id)
    found = _resolved.get(key)
    if (
        found is not None
        and found[0] is agent
        and found[1] is known
        and found[2] is override
        and found[3] == tenant.tier
    ):
        return found[4]
    effective = settle(tenant, agent, known, override)
    _resolved[key] = (agent, known, override, tenant.tier, effective)
    if len(_resolved) > _RESOLVED_AT_MOST:
        _resolved.popitem(last=False)
    return effective


def settle(
    tenant: tenancy.Tenant,
    agent: Agent,
    known: tuple[Version, ...],
    override: Override,
    *,
    keep_version: str | None = None,
) -> Effective:
    """Return the merge for a tenant; pure, so pages and drafts get what a run gets."""
    found = rollout.resolve(known, tenant.id, override.wishes.pinned_version)
    if found is None:
        raise agent_not_found(agent.agent_id)
    version, reason = found
    if keep_version is not None and keep_version != str(version.number):
        version, reason = _kept(known, keep_version) or found
    return merge(agent, version, reason, override, may_replace=may_replace(tenant.tier))


def _kept(known: tuple[Version, ...], number: str) -> tuple[Version, Reason] | None:
    for version in known:
        if str(version.number) == number and version.status != "retired":
            return version, "stable" if version.rollout_percentage >= 100 else "rollout"
    return None


async def epochs_for(tenant: tenancy.Tenant) -> dict[str, str]:
    """Return the epochs under which this tenant's configurations are read, for the guard to compare."""
    known = cache.epochs.known
    topics = (cache.AGENTS, cache.TENANTS, cache.PLATFORM, str(tenant.id))
    return {topic: known.get(topic) or await cache.epochs.of(topic) for topic in topics}

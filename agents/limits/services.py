"""Writes of limits: the platform's numbers for any scope, and a tenant's own, which only tighten."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from agents.limits import registry
from agents.limits.models import Limits
from agents.limits.numbers import SPENDING, Numbers
from agents.limits.settle import settle, settle_tenant
from agents.selectors import get_agent
from qualisys import audit, cache
from qualisys.access import Actor, check
from qualisys.problems import FieldError, Problem

SET, SET_OWN = "agents.change_limits", "agents.change_own_limits"


def set_limits(
    *,
    actor: Actor,
    numbers: Numbers,
    agent_id: str | None = None,
    tenant_id: UUID | None = None,
    reason: str = "",
    match: str | None = None,
) -> Limits:
    """Replace the platform's limits of a scope; they hold everywhere within a second."""
    check(actor, SET)
    if numbers.guard_percentage is not None and (agent_id or tenant_id):
        raise _refused("guard_percentage", "platform", "The guard is rolled out for the platform as a whole.")
    return _write(actor, numbers, agent_id, tenant_id, reason, match, by_tenant=False)


def set_own_limits(
    *,
    actor: Actor,
    tenant_id: UUID,
    numbers: Numbers,
    agent_id: str | None = None,
    reason: str = "",
    match: str | None = None,
) -> Limits:
    """Replace a tenant's own limits, which may only be lower than what the platform gives it."""
    check(actor, SET_OWN)
    given = {name for name, value in numbers if value is not None} - set(SPENDING)
    if given:
        name = sorted(given)[0]
        raise _refused(name, "platform", "Only the platform's administrators set this.")
    with transaction.atomic():
        _refuse_wider(numbers, tenant_id, agent_id)
        return _write(actor, numbers, agent_id, tenant_id, reason, match, by_tenant=True)


def entity_tag(row: Limits | None) -> str:
    """Return the entity tag of a scope's limits."""
    return f'"{row.revision if row else 0}"'


def _refuse_wider(numbers: Numbers, tenant_id: UUID, agent_id: str | None) -> None:
    rows = registry.load(tenant_id)
    if agent_id is None:
        bare = type(rows)(platform=rows.platform, tenant=rows.tenant)
        given, _ = settle_tenant(bare)
    else:
        bare = type(rows)(agents=rows.agents, tenant_agents=rows.tenant_agents)
        given = dict(settle(bare, agent_id, get_agent(agent_id).max_tokens_per_invocation).agent)
    errors: list[FieldError] = [
        {
            "field": name,
            "rule": "only_tighter",
            "message": f"The platform gives you {given[name]:,}; you may set it lower, not higher.",
        }
        for name in SPENDING
        if getattr(numbers, name) is not None and name in given and getattr(numbers, name) > given[name]
    ]
    if errors:
        raise Problem("validation_error", errors[0]["message"], errors=errors)


def _write(
    actor: Actor,
    numbers: Numbers,
    agent_id: str | None,
    tenant_id: UUID | None,
    reason: str,
    match: str | None,
    *,
    by_tenant: bool,
) -> Limits:
    agent = get_agent(agent_id) if agent_id else None
    with transaction.atomic(), audit.because(reason):
        rows = Limits.objects.select_for_update().filter(
            agent=agent, tenant_id=tenant_id, by_tenant=by_tenant
        )
        row = rows.first()
        if match is not None and match != entity_tag(row):
            raise Problem("precondition_failed", "The limits have changed meanwhile. Read them again.")
        if row is None:
            row = Limits(agent=agent, tenant_id=tenant_id, by_tenant=by_tenant, revision=0)
        for name, value in numbers:
            setattr(row, name, value)
        row.revision += 1
        row.author_id = getattr(actor, "user_id", None)
        row.save()
        topic = str(tenant_id) if tenant_id else cache.PLATFORM
        transaction.on_commit(lambda: cache.bump_quietly(topic))
    return row


def _refused(field: str, rule: str, message: str) -> Problem:
    return Problem("validation_error", message, errors=[{"field": field, "rule": rule, "message": message}])

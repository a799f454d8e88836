"""Writes of limits: the platform's numbers for any scope, and a tenant's own, which only tighten."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connections, transaction

from agents.limits import registry
from agents.limits.models import Limits
from agents.limits.numbers import SPENDING, Numbers, Spending, in_words
from agents.limits.settle import settle, settle_tenant, without_own
from agents.selectors import get_agent
from qualisys import audit, cache
from qualisys.access import Actor, check
from qualisys.problems import FieldError, Problem, invalid

VIEW, SET = "agents.view_limits", "agents.change_limits"
VIEW_OWN, SET_OWN = "agents.view_own_limits", "agents.change_own_limits"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose numbers a row has: of an agent or all, of a tenant or every one, given or the tenant's own."""

    agent_id: str | None = None
    tenant_id: UUID | None = None
    by_tenant: bool = False


def set_limits(
    *,
    actor: Actor,
    numbers: Numbers,
    agent_id: str | None = None,
    tenant_id: UUID | None = None,
    reason: str = "",
    match: str | None = None,
) -> Limits:
    """Replace the platform's limits of a scope; they hold everywhere within a second.

    `match` is the entity tag the caller has seen: `precondition_failed` where another one holds by now.
    """
    check(actor, SET)
    if numbers.guard_percentage is not None and (agent_id or tenant_id):
        raise invalid("guard_percentage", "platform", "The guard is rolled out for the platform as a whole.")
    return _write(actor, numbers, Scope(agent_id, tenant_id), reason, match)


def set_own_limits(
    *,
    actor: Actor,
    tenant_id: UUID,
    numbers: Spending,
    agent_id: str | None = None,
    reason: str = "",
    match: str | None = None,
) -> Limits:
    """Replace a tenant's own limits, which may only be lower than what the platform gives it."""
    check(actor, SET_OWN)
    with transaction.atomic():
        _refuse_wider(numbers, tenant_id, agent_id)
        return _write(actor, numbers, Scope(agent_id, tenant_id, by_tenant=True), reason, match)


def find(scope: Scope) -> Limits | None:
    """Return the row of a scope, where it has one."""
    rows = Limits.objects.filter(
        agent__agent_id=scope.agent_id, tenant_id=scope.tenant_id, by_tenant=scope.by_tenant
    )
    return rows.first()


def entity_tag(row: Limits | None) -> str:
    """Return the entity tag of a scope's limits."""
    return f'"{row.revision if row else 0}"'


def _refuse_wider(numbers: Spending, tenant_id: UUID, agent_id: str | None) -> None:
    rows = without_own(registry.load(tenant_id))
    if agent_id is None:
        given = settle_tenant(rows)[0]
    else:
        given = dict(settle(rows, agent_id, get_agent(agent_id).max_tokens_per_invocation).agent)
    errors: list[FieldError] = [
        {
            "field": name,
            "rule": "only_tighter",
            "message": f"Your platform gives you {in_words(name, given[name])}: set less, or leave it empty.",
        }
        for name in SPENDING
        if getattr(numbers, name) is not None and name in given and getattr(numbers, name) > given[name]
    ]
    if errors:
        raise Problem("validation_error", errors[0]["message"], errors=errors)


def _write(actor: Actor, numbers: Spending, scope: Scope, reason: str, match: str | None) -> Limits:
    if scope.agent_id is not None:
        get_agent(scope.agent_id)
    with transaction.atomic(), audit.because(reason):
        _lock(scope)
        row = find(scope)
        if match not in (None, "*", entity_tag(row)):
            raise Problem(
                "precondition_failed", "The limits have changed since you read them. Read them again."
            )
        row = row or Limits(
            agent_id=scope.agent_id, tenant_id=scope.tenant_id, by_tenant=scope.by_tenant, revision=0
        )
        if all(getattr(row, name) == value for name, value in numbers):
            return row
        for name, value in numbers:
            setattr(row, name, value)
        row.revision += 1
        user_id = getattr(actor, "user_id", None)
        row.author_id = user_id if isinstance(user_id, UUID) else None
        row.save()
        topic = str(scope.tenant_id) if scope.tenant_id else cache.PLATFORM
        transaction.on_commit(lambda: cache.bump_quietly(topic))
    return row


def _lock(scope: Scope) -> None:
    """Let one writer at a time write a scope, also while it has no row."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"limits {scope}"])

"""Writes of overrides: save, reset, restore, accept a new base, and support's recorded look."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connections, transaction

from agents import selectors as agents
from agents.models import AgentDefinition
from qualisys import audit, cache, changes, tenancy
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from tenants.models import Tenant
from tenants.overrides import registry
from tenants.overrides.checks import check_wishes
from tenants.overrides.merge import Effective
from tenants.overrides.models import TenantAgentConfig, TenantAgentConfigRevision
from tenants.overrides.wishes import Wishes

CHANGE = "tenants.change_tenantagentconfig"


def save_config(
    *,
    actor: Actor,
    tenant: tenancy.Tenant,
    agent_id: str,
    wishes: Wishes,
    reason: str = "",
    match: str | None = None,
) -> TenantAgentConfig:
    """Replace the tenant's override of an agent; it holds everywhere within a second.

    `match` is the entity tag the caller has seen: `precondition_failed` where another one holds by now.
    """
    check(actor, CHANGE)
    agent = enabled_agent(agent_id)
    with transaction.atomic(), audit.because(reason):
        _lock(tenant, agent_id)
        _match(tenant, agent_id, match)
        settled = check_wishes(tenant, agent, wishes)
        changes.ask(changes.Change("override", agent_id, wishes.stored(), tenant.id))
        row = _write(actor, tenant, agent_id, wishes, settled, reason)
        if wishes.custom_prompt is not None and wishes.prompt_override_mode == "replace":
            after = {"revision": row.revision, "acknowledged": True, "base_version": row.base_version}
            audit.record(
                "prompt_override_replace",
                object_type="agent_config",
                object_id=agent_id,
                tenant_id=tenant.id,
                after=after,
            )
    return row


def reset_config(
    *, actor: Actor, tenant: tenancy.Tenant, agent_id: str, reason: str = "", match: str | None = None
) -> None:
    """Drop the override: the agent is the platform's again. Its history stays and can be restored."""
    check(actor, CHANGE)
    agents.get_agent(agent_id)
    with transaction.atomic(), audit.because(reason):
        _lock(tenant, agent_id)
        _match(tenant, agent_id, match)
        gone, _ = TenantAgentConfig.objects.filter(tenant_id=tenant.id, agent__agent_id=agent_id).delete()
        if gone:
            _keep(actor, tenant, agent_id, None, "", reason)
        _announce(tenant, agent_id)


def restore_config(
    *, actor: Actor, tenant: tenancy.Tenant, agent_id: str, number: int, reason: str = ""
) -> None:
    """Bring a revision back as the newest one; it must satisfy the rules of today."""
    check(actor, CHANGE)
    rows = TenantAgentConfigRevision.objects.filter(
        tenant_id=tenant.id, agent__agent_id=agent_id, number=number
    )
    revision = rows.first()
    if revision is None:
        raise Problem("not_found", f"There is no revision {number} of this configuration.")
    because = reason or f"Restored revision {number}."
    if revision.config is None:
        return reset_config(actor=actor, tenant=tenant, agent_id=agent_id, reason=because)
    save_config(
        actor=actor,
        tenant=tenant,
        agent_id=agent_id,
        wishes=registry.wishes_of_revision(revision),
        reason=because,
    )
    return None


def accept_base(*, actor: Actor, tenant: tenancy.Tenant, agent_id: str) -> TenantAgentConfig:
    """Keep the wishes as they are over a base that has changed under them; the notice goes away."""
    check(actor, CHANGE)
    row = TenantAgentConfig.objects.filter(tenant_id=tenant.id, agent__agent_id=agent_id).first()
    if row is None:
        raise Problem("not_found", "This agent has no configuration of yours.")
    return save_config(
        actor=actor,
        tenant=tenant,
        agent_id=agent_id,
        wishes=registry.wishes_of(row),
        match=entity_tag(row.revision),
        reason="Accepted the agent's new version under our own prompt.",
    )


def set_enabled(
    *, actor: Actor, tenant: tenancy.Tenant, agent_id: str, enabled: bool, reason: str = ""
) -> TenantAgentConfig:
    """Turn an agent on or off for the tenant and leave everything else as it is.

    The other wishes are not judged again: a switch must work although a rule has changed since they were saved,
    and a notice about a new base is not read by switching.
    """
    check(actor, CHANGE)
    why = reason or ("Turned on." if enabled else "Turned off.")
    enabled_agent(agent_id)
    with transaction.atomic(), audit.because(why):
        _lock(tenant, agent_id)
        row = TenantAgentConfig.objects.filter(tenant_id=tenant.id, agent__agent_id=agent_id).first()
        if row is None:
            wishes = Wishes(enabled=enabled)
            return save_config(actor=actor, tenant=tenant, agent_id=agent_id, wishes=wishes, reason=why)
        wishes = registry.wishes_of(row).model_copy(update={"enabled": enabled})
        row.revision = _keep(actor, tenant, agent_id, wishes.stored(), row.base_version, why)
        row.enabled, row.author_id = enabled, _author(actor)
        row.save(update_fields=["enabled", "revision", "author_id", "updated_at"])
        _announce(tenant, agent_id)
    return row


def read_for_support(*, actor: Actor, tenant: Tenant, agent_id: str, reason: str) -> TenantAgentConfig | None:
    """Return a tenant's override for the platform's support, after recording the read in the tenant's audit."""
    check(actor, "tenants.view_tenantprompt")
    if not reason.strip():
        raise invalid("reason", "required", "Say why you read it; the organisation sees your reason.")
    agents.get_agent(agent_id)
    with transaction.atomic(), audit.because(reason.strip()[:1000]):
        audit.record(
            "agent_config.read_by_support",
            object_type="agent_config",
            object_id=agent_id,
            tenant_id=tenant.pk,
        )
        return TenantAgentConfig.objects.filter(tenant_id=tenant.pk, agent__agent_id=agent_id).first()


def entity_tag(revision: int) -> str:
    """Return the entity tag of a revision."""
    return f'"{revision}"'


def latest_revision(tenant_id: UUID, agent_id: str) -> int:
    """Return the number of the newest revision, 0 where there never was an override."""
    rows = TenantAgentConfigRevision.objects.filter(tenant_id=tenant_id, agent__agent_id=agent_id)
    return rows.values_list("number", flat=True).first() or 0


def enabled_agent(agent_id: str) -> AgentDefinition:
    """Return an agent that the platform offers; raise `agent_not_found` for any other."""
    agent = agents.get_agent(agent_id)
    if not agent.enabled:
        raise agents.agent_not_found(agent_id)
    return agent


def _lock(tenant: tenancy.Tenant, agent_id: str) -> None:
    """Let one writer at a time number the revisions of one override."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"override {tenant.id} {agent_id}"]
        )


def _match(tenant: tenancy.Tenant, agent_id: str, match: str | None) -> None:
    if match not in (None, "*") and match != entity_tag(latest_revision(tenant.id, agent_id)):
        raise Problem("precondition_failed", "Somebody changed this meanwhile. Read it again, then decide.")


def _write(
    actor: Actor,
    tenant: tenancy.Tenant,
    agent_id: str,
    wishes: Wishes,
    settled: Effective,
    reason: str,
) -> TenantAgentConfig:
    base = str(settled.version.number)
    number = _keep(actor, tenant, agent_id, wishes.stored(), base, reason)
    fields: dict[str, Any] = {
        **wishes.stored(),
        "base_version": base,
        "base_hash": settled.version.content_hash,
        "revision": number,
        "author_id": _author(actor),
    }
    row, _ = TenantAgentConfig.objects.update_or_create(
        tenant_id=tenant.id,
        agent__agent_id=agent_id,
        defaults=fields,
        create_defaults={**fields, "tenant_id": tenant.id, "agent_id": agent_id},
    )
    _announce(tenant, agent_id)
    return row


def _keep(
    actor: Actor,
    tenant: tenancy.Tenant,
    agent_id: str,
    config: dict[str, Any] | None,
    base_version: str,
    reason: str,
) -> int:
    number = latest_revision(tenant.id, agent_id) + 1
    TenantAgentConfigRevision.objects.create(
        tenant_id=tenant.id,
        agent_id=agent_id,
        number=number,
        config=config,
        base_version=base_version,
        author_id=_author(actor),
        reason=reason[:1000],
    )
    return number


def _author(actor: Actor) -> UUID | None:
    user_id = getattr(actor, "user_id", None)
    return user_id if isinstance(user_id, UUID) else None


def _announce(tenant: tenancy.Tenant, agent_id: str) -> None:
    emit("override.changed", {"agent_id": agent_id}, tenant_id=tenant.id)
    transaction.on_commit(lambda: cache.bump_quietly(str(tenant.id)))

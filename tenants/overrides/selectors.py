"""Reads of overrides: what holds and why, what held before, and what a new base changes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff
from itertools import zip_longest
from typing import Any
from uuid import UUID

from agents import segments
from agents.models import AgentDefinition
from agents.registry import from_model
from qualisys import tenancy
from qualisys.problems import Problem
from tenants import effective
from tenants.models import User
from tenants.overrides import registry
from tenants.overrides.merge import NO_OVERRIDE, Effective, Override
from tenants.overrides.models import TenantAgentConfig, TenantAgentConfigRevision
from tenants.overrides.services import entity_tag, latest_revision
from versions import registry as versions
from versions.models import AgentVersion

#: Revisions that are shown with a configuration; the rest is a page away.
SHOWN = 50


def show_config(tenant: tenancy.Tenant, agent: AgentDefinition) -> tuple[dict[str, Any], str]:
    """Return a tenant's configuration of an agent in the contract's shape, and its entity tag."""
    row = TenantAgentConfig.objects.filter(tenant_id=tenant.id, agent__agent_id=agent.agent_id).first()
    override = registry.from_model(row) if row else NO_OVERRIDE
    settled = settle(tenant, agent, override)
    shown = {
        "agent_id": agent.agent_id,
        "tenant_id": str(tenant.id),
        **override.wishes.stored(),
        "revision": latest_revision(tenant.id, agent.agent_id),
        "updated_at": row.updated_at.isoformat() if row else None,
        "effective": show_effective(settled),
        "base_change": base_change(settled, override),
        "history": history(tenant.id, agent.agent_id),
    }
    return shown, entity_tag(shown["revision"])


def settle(tenant: tenancy.Tenant, agent: AgentDefinition, override: Override) -> Effective:
    """Return what holds under an override, from the database."""
    return effective.settle(tenant, from_model(agent), versions.load(agent.agent_id), override)


def show_effective(settled: Effective) -> dict[str, Any]:
    """Return each field of an effective configuration with where it came from, and the prompt's layers."""
    values: Mapping[str, Any] = {
        "version": str(settled.version.number),
        "system_prompt": settled.system_prompt,
        "output_schema": settled.output_schema,
        "output_template": settled.output_template,
        "llm_provider": settled.provider,
        "llm_model": settled.model,
        "fallbacks": [{"provider": provider, "model": model} for provider, model in settled.fallbacks],
        "max_tokens": settled.max_tokens,
        "timeout_seconds": settled.timeout_seconds,
        "approval_gates": list(settled.gates),
        "tags": list(settled.tags),
    }
    fields = {
        name: {"value": value, "provenance": settled.provenance[name]} for name, value in values.items()
    }
    layers = [{"kind": layer.kind, "text": layer.text} for layer in settled.layers]
    return {**fields, "layers": layers, "prompt_hash": settled.prompt_hash, "customized": settled.customized}


def has_base_changed(settled: Effective, override: Override) -> bool:
    """Tell whether the version under a tenant's prompt or template is another one than it was written for."""
    written = override.wishes.custom_prompt or override.wishes.custom_output_template
    return bool(written) and settled.version.content_hash != override.base_hash


def base_change(settled: Effective, override: Override) -> dict[str, Any] | None:
    """Return what has changed under a tenant's prompt or template since it was written, or None."""
    if not has_base_changed(settled, override):
        return None
    now = settled.version
    before = AgentVersion.objects.filter(agent__agent_id=now.agent_id, version=override.base_version).first()
    old = segments.plain(before.system_prompt).splitlines() if before else []
    new = segments.plain(now.system_prompt).splitlines()
    return {
        "from_version": override.base_version,
        "to_version": str(now.number),
        "schema_changed": before is None or before.output_schema != now.output_schema,
        "prompt_diff": list(unified_diff(old, new, override.base_version, str(now.number), lineterm="", n=2)),
    }


def history(tenant_id: UUID, agent_id: str) -> list[dict[str, Any]]:
    """Return the newest revisions: who, when, why, and what held."""
    rows = list(
        TenantAgentConfigRevision.objects.filter(tenant_id=tenant_id, agent__agent_id=agent_id)[: SHOWN + 1]
    )
    people = {row.author_id for row in rows if row.author_id}
    names = {user.pk: str(user) for user in User.objects.filter(pk__in=people)}
    return [
        {
            "revision": row.number,
            "at": row.created_at.isoformat(),
            "by": names.get(row.author_id, "a former member") if row.author_id else "the system",
            "reason": row.reason,
            "base_version": row.base_version,
            "config": row.config,
            "prompt_diff": _prompt_diff(row.config, before.config if before else None),
            "changed": _changed(row.config, before.config if before else None),
        }
        for row, before in zip_longest(rows, rows[1:])
    ][:SHOWN]


def _prompt_diff(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> list[str]:
    """Return how the instructions differ from the revision before, as lines of a unified diff without its head."""
    # A state of long ago may hold anything: a history that cannot be shown would help nobody.
    old, new = (str((state or {}).get("custom_prompt") or "").splitlines() for state in (before, now))
    return list(unified_diff(old, new, lineterm="", n=1))[2:]


def _changed(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the fields in which two states differ; the empty state is the default of each."""
    default = NO_OVERRIDE.wishes.stored()
    # A field that is younger than a state had its default then.
    now, before = {**default, **(now or {})}, {**default, **(before or {})}
    return [name for name in default if now.get(name) != before.get(name)]


def list_agents(tenant: tenancy.Tenant) -> list[dict[str, Any]]:
    """Return every agent that the platform offers, turned on or off here, with what the tenant has changed."""
    found, known = registry.load(tenant.id), versions.load_all()
    shown = []
    for agent in AgentDefinition.objects.filter(enabled=True).order_by("name"):
        override = found.get(agent.agent_id, NO_OVERRIDE)
        try:
            settled = effective.settle(tenant, from_model(agent), known.get(agent.agent_id, ()), override)
        except Problem:
            # No version of it reaches this tenant.
            continue
        shown.append(_row(agent, override, settled))
    return shown


def _row(agent: AgentDefinition, override: Override, settled: Effective) -> dict[str, Any]:
    wishes = override.wishes
    return {
        "agent_id": agent.agent_id,
        "name": agent.name,
        "description": agent.description,
        "icon": agent.icon,
        "tags": list(settled.tags),
        "enabled": override.enabled,
        "version": str(settled.version.number),
        "version_reason": settled.reason,
        "llm_provider": settled.provider,
        "llm_model": settled.model,
        "model_overridden": bool(wishes.llm_model_override or wishes.llm_provider_override),
        "prompt_mode": wishes.prompt_override_mode if wishes.custom_prompt else None,
        "customized": override.customized,
        "revision": override.revision,
        "base_changed": has_base_changed(settled, override),
    }

"""Writes of the registry: one verb per function, with its permission and invariants inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from agents import definitions, providers, selectors
from agents.models import AgentDefinition, ModelOffer
from qualisys import audit, cache
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from qualisys.text import unstorable


def create_agent(*, actor: Actor, definition: definitions.Definition) -> AgentDefinition:
    """Store a new definition; its first version is created by `versions.services.register_agent`."""
    check(actor, "agents.add_agentdefinition")
    values = definition.model_dump(mode="json")
    try:
        with transaction.atomic():
            row = AgentDefinition.objects.create(**values)
    except IntegrityError as error:
        raise Problem("conflict", f"There already is an agent '{definition.agent_id}'.") from error
    _announce()
    return row


def update_agent(*, actor: Actor, agent_id: str, data: Mapping[str, Any]) -> AgentDefinition:
    """Replace the editable fields of an agent; type and id stay what they are."""
    check(actor, "agents.change_agentdefinition")
    with transaction.atomic():
        row = AgentDefinition.objects.select_for_update().filter(agent_id=agent_id).first()
        if row is None:
            raise selectors.agent_not_found(agent_id)
        values = definitions.parse({**data, "agent_id": agent_id, "type": row.type}).model_dump(mode="json")
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
    _announce()
    return row


def set_enabled(*, actor: Actor, agent_id: str, enabled: bool, reason: str = "") -> AgentDefinition:
    """Turn an agent on or off everywhere: off is the kill switch, felt in every process within a second."""
    check(actor, "agents.delete_agentdefinition" if not enabled else "agents.change_agentdefinition")
    with transaction.atomic(), audit.because(reason):
        row = AgentDefinition.objects.select_for_update().filter(agent_id=agent_id).first()
        if row is None:
            raise selectors.agent_not_found(agent_id)
        if row.enabled != enabled:
            row.enabled = enabled
            row.save(update_fields=["enabled", "updated_at"])
            emit(f"agent.{'enabled' if enabled else 'disabled'}", {"agent_id": agent_id, "reason": reason})
    _announce()
    return row


def offer_model(*, actor: Actor, provider: str, model: str) -> ModelOffer:
    """Let tenants choose a model of a provider; the first one of it ends the free choice."""
    check(actor, "agents.add_modeloffer")
    if provider not in providers.known():
        raise invalid("provider", "provider", f"Use one of {', '.join(providers.known())}.")
    if not model.strip() or len(model) > 100 or unstorable(model):
        raise invalid("model", "length", "Name the model as its provider does, in up to 100 characters.")
    try:
        with transaction.atomic():
            return ModelOffer.objects.create(provider=provider, model=model.strip())
    except IntegrityError as error:
        raise Problem("conflict", f"{provider} {model.strip()} is in the list already.") from error


def set_offer_enabled(*, actor: Actor, row: ModelOffer, enabled: bool, reason: str = "") -> ModelOffer:
    """Withdraw an offer, or renew it; overrides that are saved already keep their model."""
    check(actor, "agents.change_modeloffer")
    with transaction.atomic(), audit.because(reason):
        locked = ModelOffer.objects.select_for_update().get(pk=row.pk)
        locked.enabled = enabled
        locked.save(update_fields=["enabled"])
    return locked


def _announce() -> None:
    transaction.on_commit(lambda: cache.bump_quietly(cache.AGENTS))

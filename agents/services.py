"""Writes of the registry: one verb per function, with its permission and invariants inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections, transaction

from agents import definitions, providers, selectors
from agents.models import AgentDefinition, ModelOffer, ModelPrice, ModelStop
from agents.prices import Listed
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
    _check_provider(provider)
    _check_model(model)
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


def set_prices(
    *, actor: Actor, prices: Iterable[Listed], reason: str = "", match: str | None = None
) -> list[ModelPrice]:
    """Replace the price table; a model that is left out counts as the dearest from then on.

    `match` is the entity tag the caller has seen: `precondition_failed` where another one holds by now.
    """
    check(actor, "agents.change_modelprice")
    wanted: dict[tuple[str, str], Listed] = {}
    for each in prices:
        _check_provider(each.provider)
        _check_model(each.model)
        key = (each.provider, each.model.strip())
        if key in wanted:
            raise invalid("items", "doubled", f"{' '.join(key)} is there twice.")
        wanted[key] = each
    with transaction.atomic(), audit.because(reason):
        _lock_prices()
        rows = list(ModelPrice.objects.all())
        if match not in (None, "*", prices_tag(rows)):
            raise Problem(
                "precondition_failed", "The prices have changed since you read them. Read them again."
            )
        for row in rows:
            if (row.provider, row.model) not in wanted:
                row.delete()
        known = {(row.provider, row.model): row for row in rows}
        found = [_keep_price(known.get(key), each) for key, each in wanted.items()]
        _announce()
    return sorted(found, key=lambda row: (row.provider, row.model))


def set_price(*, actor: Actor, price: Listed, reason: str = "") -> ModelPrice:
    """Enter a model's price, or correct it; runs that start a second later count by it."""
    check(actor, "agents.change_modelprice")
    _check_provider(price.provider)
    _check_model(price.model)
    with transaction.atomic(), audit.because(reason):
        _lock_prices()
        known = ModelPrice.objects.filter(provider=price.provider, model=price.model.strip()).first()
        row = _keep_price(known, price)
        _announce()
    return row


def remove_price(*, actor: Actor, row: ModelPrice, reason: str = "") -> None:
    """Take a model's price away; it counts as the dearest from then on."""
    check(actor, "agents.change_modelprice")
    with transaction.atomic(), audit.because(reason):
        row.delete()
        _announce()


def prices_tag(rows: Iterable[ModelPrice]) -> str:
    """Return the entity tag of the price table."""
    told = sorted(f"{row.pk} {row.updated_at.isoformat()}" for row in rows)
    return f'"{sha256(" ".join(told).encode()).hexdigest()[:32]}"'


def stop_model(*, actor: Actor, provider: str, model: str = "", reason: str = "") -> ModelStop:
    """Stop a provider (`model` empty) or one of its models: nothing calls it any more within a second."""
    check(actor, "agents.add_modelstop")
    _check_provider(provider)
    if model:
        # White space is a slip of a hand, not the wish to stop all of the provider's models.
        _check_model(model)
    name, user_id = f"{provider} {model.strip()}".strip(), getattr(actor, "user_id", None)
    try:
        with transaction.atomic(), audit.because(reason):
            row = ModelStop.objects.create(
                provider=provider,
                model=model.strip(),
                reason=reason,
                author_id=user_id if isinstance(user_id, UUID) else None,
            )
            emit("model.stopped", {"provider": provider, "model": row.model, "reason": reason})
            _announce()
    except IntegrityError as error:
        raise Problem("conflict", f"{name} is stopped already.") from error
    return row


def resume_model(*, actor: Actor, stop_id: UUID, reason: str = "") -> None:
    """End a stop: runs may call the provider or model again within a second."""
    check(actor, "agents.change_modelstop")
    with transaction.atomic(), audit.because(reason):
        row = ModelStop.objects.select_for_update().filter(pk=stop_id).first()
        if row is None:
            raise Problem("not_found", "There is no such stop, or no longer.")
        row.delete()
        emit("model.resumed", {"provider": row.provider, "model": row.model, "reason": reason})
        _announce()


def _check_provider(provider: str) -> None:
    if provider not in providers.known():
        raise invalid("provider", "provider", f"Use one of {', '.join(providers.known())}.")


def _check_model(model: str) -> None:
    if not model.strip() or len(model) > 100 or unstorable(model):
        raise invalid("model", "length", "Name the model as its provider does, in up to 100 characters.")


def _keep_price(row: ModelPrice | None, price: Listed) -> ModelPrice:
    row = row or ModelPrice(provider=price.provider, model=price.model.strip())
    values = price.model_dump(exclude={"provider", "model"})
    if row._state.adding or any(getattr(row, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
    return row


def _lock_prices() -> None:
    """Let one writer at a time write the table, or two replacements would leave a mixture of both."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('prices', 0))")


def _announce() -> None:
    transaction.on_commit(lambda: cache.bump_quietly(cache.AGENTS))

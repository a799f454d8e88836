"""Overrides as the run path reads them: a tenant's, all at once, from memory, then Redis, then the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from qualisys import tenancy
from qualisys.cache import Cached
from qualisys.problems import Problem
from tenants.overrides.merge import NO_OVERRIDE, Override
from tenants.overrides.models import TenantAgentConfig, TenantAgentConfigRevision
from tenants.overrides.wishes import Wishes

#: Seconds an override may live in Redis (AC2 of story 6.5b); an epoch ends it earlier.
TTL = 300

Overrides = Mapping[str, Override]


def from_model(row: TenantAgentConfig) -> Override:
    """Return a row as values."""
    return Override(wishes_of(row), row.revision, row.base_version, row.base_hash)


def wishes_of(row: TenantAgentConfig) -> Wishes:
    """Return a row's wishes."""
    return Wishes.model_validate({name: getattr(row, name) for name in Wishes.model_fields})


def wishes_of_revision(row: TenantAgentConfigRevision) -> Wishes:
    """Return the wishes of a kept state; raise `conflict` where they are not in a form that is understood today."""
    try:
        return Wishes.model_validate(row.config or {})
    except ValidationError as error:
        named = (
            ", ".join(sorted({str(line["loc"][0]) for line in error.errors() if line["loc"]})) or "its form"
        )
        detail = (
            f"Revision {row.number} holds what cannot be read any more ({named}). Write it down anew instead."
        )
        raise Problem("conflict", detail[:500]) from error


def load(tenant_id: UUID) -> Overrides:
    """Return every override of a tenant by agent, from the database."""
    with tenancy.use(tenancy.platform("read overrides")):
        return {
            row.agent_id: from_model(row) for row in TenantAgentConfig.objects.filter(tenant_id=tenant_id)
        }


def _dump(found: Overrides) -> dict[str, Any]:
    return {
        agent_id: {
            "wishes": override.wishes.stored(),
            "revision": override.revision,
            "base_version": override.base_version,
            "base_hash": override.base_hash,
        }
        for agent_id, override in found.items()
    }


def _parse(value: dict[str, Any]) -> Overrides:
    return {
        agent_id: Override(**{**each, "wishes": Wishes.model_validate(each["wishes"])})
        for agent_id, each in value.items()
    }


_overrides: Cached[UUID, Overrides] = Cached(
    load,
    topics=lambda tenant_id: (str(tenant_id),),
    redis_key=lambda tenant_id: f"agent_overrides:{tenant_id}",
    ttl=TTL,
    dump=_dump,
    parse=_parse,
)


async def of(tenant_id: UUID, agent_id: str) -> Override:
    """Return a tenant's override of an agent; the empty one where there is none."""
    return (await _overrides.get(tenant_id)).get(agent_id, NO_OVERRIDE)

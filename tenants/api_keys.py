"""Writes about API keys: created and rotated by who they act as, revoked by any administrator.

Their text is the business of `tenants.keys`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from qualisys import cache, changes
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from tenants import keys, permissions
from tenants.identity import Identity
from tenants.models import ApiKey, User

#: The longest time, in hours, that a rotated key and its successor both work.
MOST_OVERLAP_HOURS = 168


def create_api_key(
    *,
    actor: Actor,
    tenant_id: UUID | None,
    owner: User,
    name: str,
    scopes: list[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key that acts as `owner`; return it with its text, which is shown this once."""
    check(actor, "tenants.add_apikey")
    _check_own(actor, owner.pk)
    scopes = scopes or []
    if unknown := sorted(set(scopes) - set(permissions.SCOPES)):
        raise invalid("scopes", "scope", f"Unknown scope {', '.join(unknown)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise invalid("expires_at", "future", "A key must expire in the future.")
    if not name.strip() or len(name) > 100:
        raise invalid("name", "length", "Name the key, in up to 100 characters.")
    changes.ask(changes.Change("key.scopes", name, {"scopes": scopes}, tenant_id))
    with transaction.atomic():
        made = _new_key(tenant_id, owner.pk, name.strip(), scopes, expires_at)
    cache.bump_quietly(str(tenant_id or cache.PLATFORM))
    return made


def rotate_api_key(*, actor: Actor, key: ApiKey, overlap_hours: int = 24) -> tuple[ApiKey, str]:
    """Create a key's successor, of the same name, owner, scopes and lifetime; the old one ends after the overlap.

    Returns the successor with its text, shown this once. Raises `conflict` for a key that has ended or was
    rotated before.
    """
    check(actor, "tenants.change_apikey")
    _check_own(actor, key.owner_id)
    if not 0 <= overlap_hours <= MOST_OVERLAP_HOURS:
        raise invalid("overlap_hours", "range", f"Choose 0 to {MOST_OVERLAP_HOURS} hours.")
    now = timezone.now()
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(pk=key.pk)
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            raise Problem("conflict", "This key has ended. Create another one instead.")
        if row.successor:
            raise Problem("conflict", "This key was rotated already. Rotate its successor, or revoke it now.")
        expires_at = now + (row.expires_at - row.created_at) if row.expires_at else None
        fresh, text = _new_key(row.tenant_id, row.owner_id, row.name, row.scopes, expires_at)
        ends = now + timedelta(hours=overlap_hours)
        row.successor, row.expires_at = fresh.prefix, min(ends, row.expires_at or ends)
        row.save(update_fields=["successor", "expires_at"])
        emit("key.rotated", {"prefix": row.prefix, "successor": fresh.prefix}, tenant_id=row.tenant_id)
    cache.bump_quietly(str(row.tenant_id or cache.PLATFORM))
    return fresh, text


def revoke_api_key(*, actor: Actor, key: ApiKey) -> ApiKey:
    """Revoke a key; it is refused everywhere within a second."""
    check(actor, "tenants.change_apikey")
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().get(pk=key.pk)
        row.revoked_at = row.revoked_at or timezone.now()
        row.save(update_fields=["revoked_at"])
        emit("key.revoked", {"prefix": row.prefix}, tenant_id=row.tenant_id)
    cache.bump_quietly(str(row.tenant_id or cache.PLATFORM))
    return row


def _new_key(
    tenant_id: UUID | None, owner_id: UUID, name: str, scopes: list[str], expires_at: datetime | None
) -> tuple[ApiKey, str]:
    text, prefix, secret_hash = keys.generate(tenant_id)
    row = ApiKey.objects.create(
        tenant_id=tenant_id, owner_id=owner_id, name=name, prefix=prefix, secret_hash=secret_hash,
        scopes=scopes, expires_at=expires_at,
    )  # fmt: skip
    return row, text


def _check_own(actor: Actor, owner_id: UUID) -> None:
    # Whoever is shown a key's text can act as its owner.
    if isinstance(actor, Identity) and actor.tenant is not None and actor.user_id != owner_id:
        raise Problem("permission_denied", "A key acts as its owner, so only they may create or rotate it.")

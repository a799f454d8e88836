"""Where a person is signed in: browsers and API tokens, listed and ended one by one or all at once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from qualisys import audit, cache, tenancy
from qualisys.events import emit
from qualisys.problems import Problem
from tenants.identity import Identity
from tenants.models import Session, TokenFamily, of_tenant

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
            ("Mac OS X", "macOS"), ("Linux", "Linux"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A sign-in that still holds. `id` names it on pages and opens nothing."""

    id: str
    kind: str
    device: str
    address: str
    method: str
    began: datetime | None
    last_seen: datetime | None
    is_current: bool


def list_own(identity: Identity) -> list[OpenSession]:
    """Return the person's sessions here, this one first, then by when they were last seen."""
    now, tenant_id = timezone.now(), _tenant_id(identity)
    rows = Session.objects.filter(of_tenant(tenant_id), user_id=identity.user_id, expire_date__gt=now)
    families = TokenFamily.objects.filter(
        of_tenant(tenant_id), user_id=identity.user_id, revoked_at__isnull=True, expires_at__gt=now
    )
    found = [
        OpenSession(
            _name(row.session_key), "browser", device(row.user_agent), row.address, row.method, row.created_at,
            row.last_seen_at, row.session_key == identity.credential,
        )
        for row in rows
    ] + [
        OpenSession(
            _name(str(row.pk)), "token", device(row.user_agent), row.address, "", row.created_at,
            row.rotated_at, str(row.pk) == identity.credential,
        )
        for row in families
    ]  # fmt: skip
    return sorted(
        found, key=lambda each: (each.is_current, each.last_seen or each.began or now), reverse=True
    )


def end_one(identity: Identity, name: str) -> None:
    """End one of the person's own sessions here; raise `not_found` for any other."""
    tenant_id = _tenant_id(identity)
    keys = [key for key in _own_keys(identity) if _name(key) == name]
    families = [row.pk for row in _own_families(identity) if _name(str(row.pk)) == name]
    if not keys and not families:
        raise Problem("not_found", "This session has ended already, or is not yours.")
    _end(identity.user_id, {tenant_id}, keys=keys, families=families)


def end_others(identity: Identity) -> int:
    """End every session of the person here except the one that asks; return how many those were."""
    keys = [key for key in _own_keys(identity) if key != identity.credential]
    families = [row.pk for row in _own_families(identity) if str(row.pk) != identity.credential]
    _end(identity.user_id, {_tenant_id(identity)}, keys=keys, families=families)
    return len(keys) + len(families)


def end_everywhere(user_id: UUID, *, but: str = "") -> None:
    """End every session of a person in every tenant and on the platform, except the one whose key is `but`."""
    with tenancy.use(tenancy.platform("end a person's sessions")):
        sessions = Session.objects.filter(user_id=user_id).exclude(session_key=but)
        families = TokenFamily.objects.filter(user_id=user_id, revoked_at__isnull=True)
        tenants = {row.tenant_id for row in sessions} | {row.tenant_id for row in families}
        _end(
            user_id,
            tenants,
            keys=[row.session_key for row in sessions],
            families=[row.pk for row in families],
        )


def end_begun_otherwise(tenant_id: UUID, method: str, *, but: Collection[UUID]) -> None:
    """End every session in a tenant that did not begin by `method`, and every API token, except of the people in `but`.

    Sessions of nobody go, too: one may belong to somebody who still owes the code after a password.
    """
    sessions: dict[UUID | None, list[str]] = defaultdict(list)
    for row in Session.objects.filter(tenant_id=tenant_id).exclude(method=method):
        sessions[row.user_id].append(row.session_key)
    families: dict[UUID, list[UUID]] = defaultdict(list)
    for family in TokenFamily.objects.filter(tenant_id=tenant_id, revoked_at__isnull=True):
        families[family.user_id].append(family.pk)
    Session.objects.filter(session_key__in=sessions.pop(None, [])).delete()
    for user_id in (sessions.keys() | families.keys()) - set(but):
        if user_id is not None:
            _end(user_id, {tenant_id}, keys=sessions.get(user_id, []), families=families.get(user_id, []))


def device(user_agent: str) -> str:
    """Return a browser's name as people know it: "Firefox on Linux"."""
    browser = next((name for sign, name in _BROWSERS if f"{sign}/" in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    program = re.match(r"[\w.-]{2,40}(?=/|$)", user_agent)
    return program.group() if program else "Unknown device"


def _end(user_id: UUID, tenants: set[UUID | None], *, keys: list[str], families: list[UUID]) -> None:
    if not keys and not families:
        return
    topics = {tenant_id: str(tenant_id or cache.PLATFORM) for tenant_id in tenants}
    with transaction.atomic():
        Session.objects.filter(session_key__in=keys, user_id=user_id).delete()
        TokenFamily.objects.filter(pk__in=families, user_id=user_id).update(revoked_at=timezone.now())
        for tenant_id, topic in topics.items():
            emit("cache.stale", {"topic": topic}, tenant_id=tenant_id)
            audit.record(
                "session.ended", object_type="user", object_id=str(user_id), tenant_id=tenant_id,
                after={"sessions": len(keys) + len(families)},
            )  # fmt: skip
    cache.bump_quietly(*topics.values())


def _own_keys(identity: Identity) -> list[str]:
    rows = Session.objects.filter(of_tenant(_tenant_id(identity)), user_id=identity.user_id)
    return list(rows.values_list("session_key", flat=True))


def _own_families(identity: Identity) -> list[TokenFamily]:
    rows = TokenFamily.objects.filter(of_tenant(_tenant_id(identity)), user_id=identity.user_id)
    return list(rows.filter(revoked_at__isnull=True))


def _tenant_id(identity: Identity) -> UUID | None:
    return identity.tenant.id if identity.tenant else None


def _name(key: str) -> str:
    # A session's key is its credential: pages carry a digest of it.
    return sha256(b"session:" + key.encode()).hexdigest()[:24]

"""From credential and host to identity, the same for REST, streams and sockets.

Host, token claim or the tenant id inside a key names the tenant; where two of them speak they must agree. What
is remembered about people, keys and token families follows epochs, so a revocation bites within a second.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from qualisys import tenancy
from qualisys.problems import Problem
from tenants import directory, keys, seen, tokens
from tenants.identity import Identity

_CACHED_TOKENS = 10_000
_tokens: OrderedDict[str, tuple[tokens.Claims, float]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: lower-case header names to values, and the host without port."""

    host: str
    headers: Mapping[str, str]


def refused(detail: str = "The credential is not valid. Check it, or sign in again.") -> Problem:
    """Return the one answer for every credential that does not work."""
    return Problem("not_authenticated", detail, headers={"WWW-Authenticate": "Bearer"})


async def host_tenant(host: str) -> tenancy.Tenant | None:
    """Return the tenant of `host`, None on a platform host; raise `not_found` for a host that is nobody's."""
    tenant = await directory.by_host(host)
    if tenant is None and host not in settings.ALLOWED_HOSTS:
        raise Problem("not_found", f"No organisation lives at '{host[:100]}'.")
    return tenant


async def authenticate(shown: Credentials) -> Identity | None:
    """Return who asks, or None where nothing was shown; raise a Problem for a credential that does not hold."""
    home = await host_tenant(shown.host)
    identity: Identity | None
    if key := shown.headers.get("x-api-key"):
        identity = await _by_key(key)
    elif (authorization := shown.headers.get("authorization", "")).lower().startswith("bearer "):
        identity = await _by_bearer(authorization[7:].strip())
    elif authorization:
        raise refused("Only 'Bearer' is understood in Authorization.")
    else:
        identity = await _by_session(shown, home)
    if identity is None:
        return None
    if home is not None and (identity.tenant is None or identity.tenant.id != home.id):
        raise Problem("permission_denied", "This credential belongs to another organisation than this host.")
    _check_tenant(identity.tenant)
    seen.note(identity)
    return identity


async def still_holds(identity: Identity) -> bool:
    """Tell whether a credential that was good still is; asked by streams that stay open."""
    tenant_id = str(identity.tenant.id) if identity.tenant else ""
    if identity.tenant is not None:
        tenant = await directory.by_id(tenant_id)
        if tenant is None or tenant.status != "active":
            return False
    if await directory.people.get((tenant_id, identity.user_id)) is None:
        return False
    if identity.kind == "key":
        row = await directory.keys.get((tenant_id, identity.credential))
        return row is not None and row.revoked_at is None and not _expired(row.expires_at)
    if identity.kind == "token":
        return await directory.families.get((tenant_id, UUID(identity.credential)))
    return await _session_user(tenant_id, identity.credential) is not None


def _expired(moment: object) -> bool:
    return moment is not None and moment <= timezone.now()  # type: ignore[operator]


def _check_tenant(tenant: tenancy.Tenant | None) -> None:
    if tenant is not None and tenant.status != "active":
        raise Problem("permission_denied", "This organisation is suspended. Ask your platform administrator.")


async def _identity(
    tenant_id: str, user_id: UUID, kind: str, credential: str, scopes: frozenset[str]
) -> Identity:
    tenant = await directory.by_id(tenant_id) if tenant_id else None
    person = await directory.people.get((tenant_id, user_id))
    if person is None or (tenant_id and tenant is None):
        raise refused("This person is no longer a member here.")
    return Identity(person, tenant, kind, credential, scopes)  # type: ignore[arg-type]


async def _by_key(text: str) -> Identity:
    parts = keys.parse(text)
    if parts is None:
        raise refused()
    row = await directory.keys.get((parts.tenant_id, parts.prefix))
    if row is None or not keys.matches(row.secret_hash, parts.secret):
        raise refused()
    if row.revoked_at is not None or _expired(row.expires_at):
        raise refused("This key was revoked or has expired.")
    return await _identity(parts.tenant_id, row.owner_id, "key", row.prefix, frozenset(row.scopes))


async def _by_bearer(token: str) -> Identity:
    if token.startswith("qk_"):
        return await _by_key(token)
    claims = await _claims(token)
    if not await directory.families.get((claims.tenant_id, claims.family)):
        raise refused("This session was ended. Sign in again.")
    return await _identity(claims.tenant_id, claims.user_id, "token", str(claims.family), frozenset())


async def _claims(token: str) -> tokens.Claims:
    """Verify a token, once in its life: the signature of the same text does not change."""
    known = _tokens.get(token)
    if known is not None and known[1] > time.time():
        return known[0]
    claims = await tokens.verify(token)
    _tokens[token] = (claims, min(time.time() + 60, claims.expires))
    if len(_tokens) > _CACHED_TOKENS:
        _tokens.popitem(last=False)
    return claims


async def _by_session(shown: Credentials, home: tenancy.Tenant | None) -> Identity | None:
    try:
        morsel = SimpleCookie(shown.headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if morsel is None:
        return None
    tenant_id = str(home.id) if home else ""
    user_id = await _session_user(tenant_id, morsel.value)
    return await _identity(tenant_id, user_id, "session", morsel.value, frozenset()) if user_id else None


async def _session_user(tenant_id: str, session_key: str) -> UUID | None:
    found = await directory.sessions.get((tenant_id, session_key)) if session_key.isalnum() else None
    return found[0] if found is not None and not _expired(found[1]) else None

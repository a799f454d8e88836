"""Hosts, tenants and people from memory: what every request asks, and no request pays the database for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from asgiref.sync import async_to_sync

from qualisys import cache, tenancy
from qualisys.cache import Cached
from tenants.identity import Person
from tenants.models import ApiKey, Host, Membership, Session, Tenant, TokenFamily, User, of_tenant


def _load_host(host: str) -> tenancy.Tenant | None:
    with tenancy.use(tenancy.platform("resolve a host")):
        row = Host.objects.select_related("tenant").filter(domain=host).first()
    return row.tenant.values() if row else None


def load_tenant(key: str) -> tenancy.Tenant | None:
    with tenancy.use(tenancy.platform("resolve a tenant")):
        try:
            row = Tenant.objects.filter(pk=UUID(key)).first()
        except ValueError:
            row = Tenant.objects.filter(schema_name=key).first()
    return row.values() if row else None


_hosts: Cached[str, tenancy.Tenant | None] = Cached(_load_host, topics=lambda _: (cache.TENANTS,))
_tenants: Cached[str, tenancy.Tenant | None] = Cached(load_tenant, topics=lambda _: (cache.TENANTS,))


async def by_host(host: str) -> tenancy.Tenant | None:
    """Return the tenant of a host name (without port), or None where the host is nobody's."""
    return _hosts.peek(host) or await _hosts.get(host)


async def by_id(tenant_id: UUID | str) -> tenancy.Tenant | None:
    """Return the tenant with this id (or slug), or None."""
    return await _tenants.get(str(tenant_id))


by_id_sync = async_to_sync(by_id)


def topic_of(tenant_id: str) -> str:
    """Return whose epoch a tenant's people and keys follow; "" is the platform."""
    return tenant_id or cache.PLATFORM


def _context(tenant_id: str, why: str) -> tenancy.Context:
    found = load_tenant(tenant_id) if tenant_id else None
    if tenant_id and found is None:
        raise LookupError(tenant_id)
    return found or tenancy.platform(why)


def load_person(key: tuple[str, UUID]) -> Person | None:
    """Return an active person's standing in a tenant ("" is the platform), or None where there is none."""
    tenant_id, user_id = key
    try:
        context = _context(tenant_id, "resolve a person")
    except LookupError:
        return None
    with tenancy.use(context):
        if not tenant_id:
            user = User.objects.filter(pk=user_id, is_active=True).exclude(platform_role="").first()
            return Person(user.pk, user.email, user.name, "", user.platform_role) if user else None
        member = (
            Membership.objects.select_related("user")
            .filter(tenant_id=tenant_id, user_id=user_id, is_active=True, user__is_active=True)
            .first()
        )
        if member is None:
            return None
        return Person(user_id, member.user.email, member.user.name, member.role, "", _grants(user_id))


def _grants(user_id: UUID) -> frozenset[tuple[str, str]]:
    """Return a member's object permissions, from guardian's tables in the tenant's own schema."""
    from guardian.models import UserObjectPermission

    rows = UserObjectPermission.objects.filter(user_id=user_id).select_related("permission__content_type")
    return frozenset(
        (f"{row.permission.content_type.app_label}.{row.permission.codename}", str(row.object_pk))
        for row in rows
    )


def _load_key(key: tuple[str, str]) -> ApiKey | None:
    tenant_id, prefix = key
    try:
        context = _context(tenant_id, "resolve an API key")
    except LookupError:
        return None
    with tenancy.use(context):
        return ApiKey.objects.filter(of_tenant(tenant_id), prefix=prefix).first()


def _load_family(key: tuple[str, UUID]) -> bool:
    tenant_id, family_id = key
    try:
        context = _context(tenant_id, "resolve a token")
    except LookupError:
        return False
    with tenancy.use(context):
        return TokenFamily.objects.filter(
            of_tenant(tenant_id), pk=family_id, revoked_at__isnull=True
        ).exists()


def _load_session(key: tuple[str, str]) -> tuple[UUID, datetime] | None:
    tenant_id, session_key = key
    try:
        context = _context(tenant_id, "resolve a session")
    except LookupError:
        return None
    with tenancy.use(context):
        row = Session.objects.filter(of_tenant(tenant_id), session_key=session_key).first()
    return (row.user_id, row.expire_date) if row and row.user_id else None


#: A member is a person too: whoever is turned off on the platform is so in every tenant.
people: Cached[tuple[str, UUID], Person | None] = Cached(
    load_person, topics=lambda key: (topic_of(key[0]), cache.PLATFORM)
)
keys: Cached[tuple[str, str], ApiKey | None] = Cached(_load_key, topics=lambda key: (topic_of(key[0]),))
families: Cached[tuple[str, UUID], bool] = Cached(_load_family, topics=lambda key: (topic_of(key[0]),))
sessions: Cached[tuple[str, str], tuple[UUID, datetime] | None] = Cached(
    _load_session, topics=lambda key: (topic_of(key[0]),)
)

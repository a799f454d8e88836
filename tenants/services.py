"""Writes about tenants, people, memberships and keys: one verb per function."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http.request import split_domain_port
from django.utils import timezone

from qualisys import audit, cache, changes, roles, tenancy
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from qualisys.text import unstorable
from tenants import keys, permissions, schema
from tenants.identity import Identity
from tenants.models import (
    ApiKey,
    Host,
    Membership,
    Session,
    Tenant,
    TenantAgentConfig,
    TenantAgentConfigRevision,
    TenantStatus,
    Tier,
    TokenFamily,
    User,
)

#: The longest time, in hours, that a rotated key and its successor both work.
MOST_OVERLAP_HOURS = 168


def create_tenant(
    *, actor: Actor, slug: str, name: str, tier: str = Tier.STANDARD, hosts: list[str]
) -> Tenant:
    """Create a tenant with its schema and hosts in one transaction; needs the owner role's connection."""
    check(actor, "tenants.add_tenant")
    if not tenancy.is_slug(slug):
        raise invalid(
            "slug",
            "slug",
            "Use 3 to 41 lower-case letters, digits or _, beginning with a letter; no reserved word.",
        )
    if tier not in Tier.values:
        raise invalid("tier", "tier", f"Use one of {', '.join(Tier.values)}.")
    hosts = [host.lower() for host in hosts]
    for host in hosts:
        if split_domain_port(host) != (host, ""):
            raise invalid("hosts", "host", f"'{host[:100]}' is not a host name; nobody could ever reach it.")
    try:
        with tenancy.use(tenancy.platform("create a tenant")), transaction.atomic():
            tenant: Tenant = Tenant(schema_name=slug, name=name.strip() or slug, tier=tier)
            tenant.save(force_insert=True)
            for index, host in enumerate(hosts):
                Host.objects.create(domain=host, tenant=tenant, is_primary=index == 0)
            schema.create_schema(slug)
            emit("tenant.created", {"slug": slug, "tier": tier})
    except (IntegrityError, ValidationError) as error:
        raise Problem("conflict", f"The name '{slug}' or one of its hosts is taken.") from error
    cache.bump_quietly(cache.TENANTS)
    return tenant


def update_tenant(*, actor: Actor, tenant: Tenant, name: str, tier: str) -> Tenant:
    """Change a tenant's display name and tier."""
    check(actor, "tenants.change_tenant")
    if not name.strip() or len(name) > 200 or unstorable(name):
        raise invalid("name", "length", "Name the organisation, in up to 200 characters.")
    if tier not in Tier.values:
        raise invalid("tier", "tier", f"Use one of {', '.join(Tier.values)}.")
    with tenancy.use(tenancy.platform("change a tenant")), transaction.atomic():
        row: Tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
        row.name, row.tier = name.strip(), Tier(tier)
        row.save(update_fields=["name", "tier"])
        emit("tenant.changed", {"slug": row.schema_name, "tier": tier})
    cache.bump_quietly(cache.TENANTS, str(tenant.pk))
    return row


def set_status(*, actor: Actor, tenant: Tenant, status: str, reason: str = "") -> Tenant:
    """Suspend or reactivate a tenant; a suspension bites everywhere within a second."""
    check(actor, "tenants.change_tenant")
    with tenancy.use(tenancy.platform("change a tenant")), transaction.atomic(), audit.because(reason):
        row: Tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
        row.status = TenantStatus(status)
        row.save(update_fields=["status"])
        emit("tenant.status", {"slug": row.schema_name, "status": status, "reason": reason})
    cache.bump_quietly(cache.TENANTS, str(tenant.pk))
    return row


def delete_tenant(*, actor: Actor, tenant: Tenant) -> None:
    """Delete a suspended tenant: its people's memberships, keys, sessions and its whole schema."""
    check(actor, "tenants.delete_tenant")
    if tenant.status != TenantStatus.SUSPENDED:
        raise Problem("conflict", "Suspend the organisation before deleting it.")
    with tenancy.use(tenancy.platform("delete a tenant")), transaction.atomic():
        schema.drop_schema(tenant.schema_name)
        for model in (
            TenantAgentConfig,
            TenantAgentConfigRevision,
            Membership,
            ApiKey,
            Session,
            TokenFamily,
            Host,
        ):
            model.objects.filter(tenant_id=tenant.pk).delete()
        Tenant.objects.filter(pk=tenant.pk).delete()
        emit("tenant.deleted", {"slug": tenant.schema_name})
    cache.bump_quietly(cache.TENANTS, str(tenant.pk))


def create_user(*, actor: Actor, email: str, name: str = "", password: str, platform_role: str = "") -> User:
    """Create a person; raise `validation_error` for a bad address or a weak password."""
    check(actor, "tenants.add_user")
    if platform_role and platform_role not in roles.PLATFORM_ROLES:
        raise invalid("platform_role", "role", f"Use one of {', '.join(roles.PLATFORM_ROLES)}.")
    user = User(email=_address(email), name=name, platform_role=platform_role)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise invalid("password", "password", " ".join(error.messages)) from error
    user.set_password(password)
    return _keep(user)


def create_user_without_password(*, actor: Actor, email: str, name: str = "") -> User:
    """Create a person who comes in through a provider; a password is set by who reads their mail, if ever."""
    check(actor, "tenants.add_user")
    user = User(email=_address(email), name=name)
    user.set_unusable_password()
    return _keep(user)


def rename_person(*, actor: Identity, name: str) -> User:
    """Change one's own name."""
    if not name.strip() or len(name) > 200 or unstorable(name):
        raise invalid("name", "length", "Enter your name, in up to 200 characters.")
    with tenancy.use(tenancy.platform("change a name")), transaction.atomic():
        row = User.objects.select_for_update().get(pk=actor.user_id)
        row.name = name.strip()
        row.save(update_fields=["name"])
    cache.bump_quietly(cache.PLATFORM)
    return row


def set_user_active(*, actor: Actor, user: User, is_active: bool) -> User:
    """Let a person in again, or shut them out of the platform and every tenant within a second."""
    check(actor, "tenants.change_user")
    with tenancy.use(tenancy.platform("change a person")), transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        row.is_active = is_active
        row.save(update_fields=["is_active"])
        if row.platform_role == "platform_owner":
            _keep_a_platform_owner()
        tenants = [str(member.tenant_id) for member in Membership.objects.filter(user=row)]
        for tenant_id in tenants:
            # The row's own trigger tells the platform's caches only.
            emit("cache.stale", {"topic": tenant_id})
        if not is_active:
            Session.objects.filter(user=row).delete()
    cache.bump_quietly(cache.PLATFORM, *tenants)
    return row


def add_member(*, actor: Actor, tenant_id: UUID, user: User, role: str) -> Membership:
    """Give a person a role in a tenant."""
    check(actor, "tenants.add_membership")
    _check_role(role)
    try:
        with transaction.atomic():
            member = Membership.objects.create(tenant_id=tenant_id, user=user, role=role)
            emit("member.added", {"user_id": str(user.pk), "role": role}, tenant_id=tenant_id)
    except IntegrityError as error:
        raise Problem("conflict", "This person is a member already.") from error
    cache.bump_quietly(str(tenant_id))
    return member


def check_member_change(actor: Actor, *named: str) -> None:
    """Raise `permission_denied` unless the actor may give and take these roles; owners are the owners' business."""
    check(actor, "tenants.change_membership")
    if "owner" in named and not actor.has_perm("tenants.change_owner"):
        raise Problem("permission_denied", "Only an owner may make, change or deactivate an owner.")


def change_member(
    *, actor: Actor, member: Membership, role: str | None = None, is_active: bool | None = None
) -> Membership:
    """Change a member's role, or deactivate them: refused everywhere within a second."""
    check(actor, "tenants.change_membership")
    with transaction.atomic():
        row = Membership.objects.select_for_update().get(pk=member.pk)
        check_member_change(actor, row.role, role or "")
        if is_active is False and isinstance(actor, Identity) and actor.user_id == row.user_id:
            raise Problem("conflict", "You cannot deactivate yourself. Ask another administrator.")
        if role is not None:
            _check_role(role)
            row.role = role
        if is_active is not None:
            row.is_active = is_active
        row.save(update_fields=["role", "is_active"])
        _keep_an_owner(row.tenant_id)
        if not row.is_active:
            Session.objects.filter(tenant_id=row.tenant_id, user_id=row.user_id).delete()
            families = TokenFamily.objects.filter(tenant_id=row.tenant_id, user_id=row.user_id)
            families.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())
    cache.bump_quietly(str(row.tenant_id))
    return row


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


def _address(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise invalid("email", "email", "This is not an e-mail address.") from error
    return email


def _keep(user: User) -> User:
    try:
        with tenancy.use(tenancy.platform("create a person")), transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise Problem("conflict", "There already is a person with this e-mail address.") from error
    return user


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


def _check_role(role: str) -> None:
    if role not in roles.ROLES:
        raise invalid("role", "role", f"Use one of {', '.join(roles.ROLES)}.")


def _keep_a_platform_owner() -> None:
    if not User.objects.filter(is_active=True, platform_role="platform_owner").exists():
        raise Problem("conflict", "The platform needs at least one active owner.")


def _keep_an_owner(tenant_id: UUID) -> None:
    members = Membership.objects.filter(tenant_id=tenant_id, is_active=True)
    if members.exists() and not members.filter(role__in=["owner", "admin"]).exists():
        raise Problem("conflict", "An organisation needs at least one owner or administrator.")

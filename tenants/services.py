"""Writes about tenants and people: one verb per function. Those about members and keys have modules of their own."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http.request import split_domain_port

from agents.models import Limits
from qualisys import audit, cache, roles, tenancy
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from qualisys.text import unstorable
from tenants import schema
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
            Limits,
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


def _keep_a_platform_owner() -> None:
    if not User.objects.filter(is_active=True, platform_role="platform_owner").exists():
        raise Problem("conflict", "The platform needs at least one active owner.")

"""The demo's organisations and people, with passwords and keys generated per installation."""

from __future__ import annotations

import secrets
from typing import Any

from qualisys import roles, tenancy
from qualisys.access import System
from tenants import api_keys, members, services
from tenants.models import Tenant, Tier, User

SYSTEM = System("demo")

TENANTS = {"acme": ("Acme Clinics", Tier.STANDARD), "globex": ("Globex Bank", Tier.ENTERPRISE)}


def create_platform(known: dict[str, Any]) -> dict[str, Any]:
    """Create the platform owner with a key, unless `known` has them already."""
    if known:
        return known
    password = _password()
    with tenancy.use(tenancy.platform("load the demo")):
        owner = services.create_user(
            actor=SYSTEM, email="owner@platform.example", name="Petra Platform", password=password,
            platform_role="platform_owner",
        )  # fmt: skip
        support = _password()
        services.create_user(
            actor=SYSTEM, email="support@platform.example", name="Sam Support", password=support,
            platform_role="platform_support",
        )  # fmt: skip
        _, key = api_keys.create_api_key(actor=SYSTEM, tenant_id=None, owner=owner, name="Demo key")
    return {
        "email": owner.email,
        "password": password,
        "api_key": key,
        "support": {"email": "support@platform.example", "password": support},
    }


def create_tenant(slug: str, known: dict[str, Any]) -> dict[str, Any]:
    """Create a demo tenant with a person per role and a key, unless `known` has them already."""
    if known:
        return known
    name, tier = TENANTS[slug]
    host = f"{slug.replace('_', '-')}.localhost"
    tenant = services.create_tenant(actor=SYSTEM, slug=slug, name=name, tier=tier, hosts=[host])
    with tenancy.use(tenancy.platform("load the demo")):
        users = {role: _member(tenant, role) for role in roles.ROLES}
        owner = User.objects.get(email=users["owner"]["email"])
        _, key = api_keys.create_api_key(actor=SYSTEM, tenant_id=tenant.pk, owner=owner, name="Demo key")
    return {"host": host, "tier": str(tier), "users": users, "api_key": key}


def _member(tenant: Tenant, role: str) -> dict[str, str]:
    password = _password()
    email = f"{role}@{tenant.schema_name.replace('_', '-')}.example"
    name = f"{roles.LABELS[role]} of {tenant.name}"
    user = services.create_user(actor=SYSTEM, email=email, name=name, password=password)
    members.add_member(actor=SYSTEM, tenant_id=tenant.pk, user=user, role=role)
    return {"email": email, "password": password}


def _password() -> str:
    return secrets.token_urlsafe(12)

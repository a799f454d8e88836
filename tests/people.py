"""People and keys of the tests' own, so that what is done to them disturbs nobody else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from qualisys import tenancy
from qualisys.access import System
from tenants import api_keys, members, services
from tenants.models import ApiKey, Membership, User

SYSTEM = System("tests")


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person with the password they sign in with."""

    user: User
    email: str
    password: str
    member: Membership | None = None


def somebody(
    tenant: tenancy.Tenant | None = None,
    role: str = "dev",
    *,
    name: str = "Somebody",
    platform_role: str = "",
) -> Somebody:
    """Create a person, with a membership where a tenant is given."""
    password, email = secrets.token_urlsafe(12), f"{secrets.token_hex(6)}@people.example"
    with tenancy.use(tenancy.platform("tests")):
        user = services.create_user(
            actor=SYSTEM, email=email, name=name, password=password, platform_role=platform_role
        )
        member = None
        if tenant is not None:
            member = members.add_member(actor=SYSTEM, tenant_id=tenant.id, user=user, role=role)
    return Somebody(user, email, password, member)


def key_of(
    tenant: tenancy.Tenant | None, owner: User, name: str = "a key", scopes: list[str] | None = None
) -> tuple[ApiKey, str]:
    """Create an API key of a person and return it with its text."""
    tenant_id = tenant.id if tenant else None
    with tenancy.use(tenancy.platform("tests")):
        return api_keys.create_api_key(
            actor=SYSTEM, tenant_id=tenant_id, owner=owner, name=name, scopes=scopes
        )

"""Who a request is from, as values: what every door agrees on before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest

from agents.models import AgentDefinition
from agents.registry import Agent, from_model
from qualisys import tenancy
from tenants import permissions

#: How somebody showed who they are; a background run acts for whoever asked for it.
Kind = Literal["session", "token", "key", "background"]


@dataclass(frozen=True, slots=True)
class Person:
    """A person's standing in one tenant or, with tenant_id None, on the platform.

    `grants` are object permissions beyond the role, as (permission, object's primary key).
    """

    user_id: UUID
    email: str
    name: str
    role: str
    platform_role: str
    grants: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Identity:
    """A person through a credential, in a tenant (None: on the platform)."""

    person: Person
    tenant: tenancy.Tenant | None
    kind: Kind
    credential: str
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def user_id(self) -> UUID:
        """The person's id."""
        return self.person.user_id

    @property
    def role(self) -> str:
        """The role in the tenant, or on the platform."""
        return self.person.role or self.person.platform_role

    @property
    def actor_id(self) -> str:
        """Name in the audit trail; a key names itself and its owner."""
        return f"key:{self.credential}:{self.user_id}" if self.kind == "key" else str(self.user_id)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the identity holds `perm`, for `obj` where an agent is given."""
        if not permissions.within(self.scopes, perm):
            return False
        if isinstance(obj, AgentDefinition):
            obj = from_model(obj)
        if self.tenant is not None and isinstance(obj, Agent):
            return may(self.person, perm, obj)
        return perm in permissions.of(self.person.role, self.person.platform_role)


def may(person: Person, perm: str, agent: Agent) -> bool:
    """Tell whether a member holds `perm` for `agent`: by role, or by a grant of their own."""
    if (perm, agent.id) in person.grants:
        return True
    access = agent.access_of(person.role)
    return access is not None and perm in permissions.BY_ACCESS[access]


def identity_of(request: HttpRequest) -> Identity:
    """Return who asks, on a route or page that only opens to somebody."""
    identity: Identity = request.identity  # type: ignore[attr-defined]
    return identity

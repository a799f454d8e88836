"""Who asks, and whether they may: the shape of an identity, and the declaration every route makes.

Lower floors never know identities; they use Django's permission names. `tenants` answers `has_perm` from roles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from django.http import HttpRequest

from qualisys.problems import Problem


@runtime_checkable
class Actor(Protocol):
    """Whoever acts: a person, a key, or the system itself."""

    @property
    def actor_id(self) -> str: ...

    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class System:
    """The installation acting by itself (migrations, schedules); it may do anything and signs as a system."""

    part: str

    @property
    def actor_id(self) -> str:
        """Name in the audit trail."""
        return f"system:{self.part}"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Allow everything: what the system does is written in code."""
        return True


def actor_of(request: HttpRequest) -> Actor:
    """Return who calls a route that declares `Requires`, for floors that know no identities."""
    actor: Actor = request.identity  # type: ignore[attr-defined]
    return actor


def check(actor: Actor, perm: str, obj: Any = None) -> None:
    """Raise `permission_denied` unless `actor` has `perm`."""
    if not actor.has_perm(perm, obj):
        raise Problem("permission_denied", "Your role does not allow this. Ask an administrator for access.")


class Requires:
    """A route's declaration, given as Ninja's `auth`: signed in, and holding `perm`.

    `perm` is None where any signed-in identity will do because the service looks at the object.
    `where` restricts the route to identities of a tenant or of the platform.
    """

    def __init__(self, perm: str | None, *, where: str = "any") -> None:
        assert where in {"any", "tenant", "platform"}
        self.perm, self.where = perm, where

    async def __call__(self, request: HttpRequest) -> Any:
        # Async, because Ninja gives a synchronous declaration a thread per request.
        identity = getattr(request, "identity", None)
        if identity is None:
            raise Problem(
                "not_authenticated",
                "Send an API key in X-API-Key, a token in Authorization: Bearer, or sign in.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if self.where != "any" and (identity.tenant is None) != (self.where == "platform"):
            raise Problem("permission_denied", f"This belongs to the {self.where}; your credential does not.")
        if self.perm is not None:
            check(identity, self.perm)
        return identity


class Open:
    """A route's declaration that anyone may call it, and why."""

    def __init__(self, why: str) -> None:
        self.why = why

    async def __call__(self, request: HttpRequest) -> bool:
        return True

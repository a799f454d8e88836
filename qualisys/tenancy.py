"""Whose data this code may touch: the one choke point of tenancy.

The current context is a context variable, so it follows coroutines, tasks and threads instead of connections.
The database backend (`qualisys.database`) applies it to the session at every cursor; without a context there is
no query at all. There are two kinds: a `Tenant` (its schema, its rows) and the `Platform`, which must say why.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

PUBLIC = "public"

_SLUG = re.compile(r"[a-z][a-z0-9_]{2,40}")
_RESERVED = frozenset(
    {"public", "information_schema", "admin", "api", "www", "localhost", "static", "qualisys", "template"}
)


class NoTenantSelected(Exception):  # noqa: N818 - reads as the sentence it is
    """Code asked for data without saying whose: a bug, never a default."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """The current tenant as values; no model, so every floor can read it."""

    id: UUID
    schema: str
    name: str
    tier: str = "standard"
    status: str = "active"


@dataclass(frozen=True, slots=True)
class Platform:
    """Acting for the platform, for a stated `reason`; row-level security admits it by that reason."""

    reason: str
    schema: str = PUBLIC


Context = Tenant | Platform

_current: ContextVar[Context | None] = ContextVar("tenancy", default=None)


def current() -> Context | None:
    """Return the context, or None where nobody has said whose data is meant."""
    return _current.get()


def require() -> Context:
    """Return the context; raise NoTenantSelected where there is none."""
    context = _current.get()
    if context is None:
        raise NoTenantSelected("no tenant in this context: enter one with qualisys.tenancy.use(...)")
    return context


def tenant() -> Tenant:
    """Return the current tenant; raise NoTenantSelected on the platform or outside any context."""
    context = require()
    if not isinstance(context, Tenant):
        raise NoTenantSelected(f"a tenant is needed here, but this is the platform ({context.reason})")
    return context


def platform(reason: str, schema: str = PUBLIC) -> Platform:
    """Return the context of the platform acting for `reason` (in `schema`, for maintenance of one tenant)."""
    if not reason:
        raise ValueError("the platform must say why it acts")
    return Platform(reason, schema)


class use:  # noqa: N801 - reads as the statement it makes, and is entered by every request
    """Run the block in `context`; safe across await, tasks and threads that copy the context."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *failure: object) -> None:
        _current.reset(self._token)


def enter_schema(schema: str) -> None:
    """Move a platform context to another schema (how django-tenants migrates); refused for anyone else."""
    context = _current.get()
    if not isinstance(context, Platform):
        raise NoTenantSelected(f"only the platform may switch to schema {schema!r} by name")
    _current.set(Platform(context.reason, schema))


def is_slug(value: str) -> bool:
    """Tell whether `value` may name a tenant and its schema (P05)."""
    return bool(_SLUG.fullmatch(value)) and value not in _RESERVED and not value.startswith("pg_")

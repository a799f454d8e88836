"""Who acts, and the record of what is not a row change.

Row changes are recorded by triggers (`qualisys/migrations/0001_ground.py`); what has no row of its own (a reset,
a support read, a decision) is recorded with `record`, in the same transaction as its effect.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connections


@dataclass(frozen=True, slots=True)
class Actor:
    """Who the audit trail names: a person's or key's id, or a part of the system such as `system:relay`."""

    id: str = "system"
    request_id: str = ""
    reason: str = ""


SYSTEM = Actor()

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def actor() -> Actor:
    """Return the current actor."""
    return _actor.get()


class acting:  # noqa: N801 - reads as the statement it makes, and is entered by every request
    """Run the block as `who`."""

    __slots__ = ("_token", "_who")

    def __init__(self, who: Actor) -> None:
        self._who = who

    def __enter__(self) -> Actor:
        self._token = _actor.set(self._who)
        return self._who

    def __exit__(self, *failure: object) -> None:
        _actor.reset(self._token)


@contextmanager
def because(reason: str) -> Iterator[Actor]:
    """Run the block with a reason on its audit events."""
    with acting(replace(_actor.get(), reason=reason)) as who:
        yield who


def record(
    action: str,
    *,
    object_type: str,
    object_id: str,
    tenant_id: UUID | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an event to the chain of `tenant_id` (None: the platform's) in the current transaction.

    Raises the database's error where it cannot be written, so the operation around it does not happen.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT public.audit_record(%s, %s, %s, %s, %s::jsonb, %s::jsonb)",
            [action, object_type, object_id, tenant_id, _json(before), _json(after)],
        )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, default=str)

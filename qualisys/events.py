"""Telling an upper floor, without calling it: events in the transaction that causes them.

`emit` writes to the outbox; the relay process hands each event, at least once, to `settings.EVENT_HANDLERS`.
Handlers are idempotent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from qualisys import tenancy
from qualisys.models import OutboxEvent

logger = logging.getLogger(__name__)

#: An event that failed this often is left in the outbox for people to look at.
MAX_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `topic` such as `agent.disabled`, in a tenant or on the platform (None)."""

    topic: str
    tenant_id: UUID | None
    payload: Mapping[str, Any]


def emit(topic: str, payload: Mapping[str, Any], *, tenant_id: UUID | None = None) -> None:
    """Write an event into the outbox, in the current transaction."""
    OutboxEvent.objects.create(topic=topic, tenant_id=tenant_id, payload=dict(payload))
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_notify('outbox', '')")


def relay(limit: int = 200) -> int:
    """Hand waiting events to the handlers and return how many were relayed."""
    handlers: list[Callable[[Event], None]] = [import_string(path) for path in settings.EVENT_HANDLERS]
    with tenancy.use(tenancy.platform("relay events")), transaction.atomic():
        rows = list(
            OutboxEvent.objects.select_for_update(skip_locked=True).filter(attempts__lt=MAX_ATTEMPTS)[:limit]
        )
        done = [row.pk for row in rows if _handle(row, handlers)]
        OutboxEvent.objects.filter(pk__in=done).delete()
        failed = [row.pk for row in rows if row.pk not in set(done)]
        OutboxEvent.objects.filter(pk__in=failed).update(attempts=F("attempts") + 1)
    return len(done)


def _handle(row: OutboxEvent, handlers: list[Callable[[Event], None]]) -> bool:
    event = Event(row.topic, row.tenant_id, row.payload)
    try:
        for handler in handlers:
            handler(event)
    except Exception:
        logger.exception("event %s #%s was not handled, attempt %s", row.topic, row.pk, row.attempts + 1)
        return False
    return True

"""The outbox: with its transaction, at least once, and never lost to a handler that fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.utils import ProgrammingError

from qualisys import cache, events, tenancy
from qualisys.events import Event
from qualisys.models import OutboxEvent

Tenants = dict[str, tenancy.Tenant]

#: What the handlers below were given.
SEEN: list[Event] = []


def remember(event: Event) -> None:
    """A handler that works."""
    SEEN.append(event)


def fail(event: Event) -> None:
    """A handler that does not."""
    raise RuntimeError(event.topic)


@pytest.fixture
def undone(tenants: Tenants) -> Iterator[None]:
    """A transaction of the platform that is rolled back, so that no relay elsewhere sees its events."""
    SEEN.clear()
    with tenancy.use(tenancy.platform("tests")), transaction.atomic():
        OutboxEvent.objects.all().delete()
        yield
        transaction.set_rollback(True)


class OnPurposeError(Exception):
    """What goes wrong on purpose."""


def fails_after_telling(name: str) -> None:
    with transaction.atomic():
        events.emit("x.happened", {"name": name})
        raise OnPurposeError


def test_emit__in_a_transaction_that_fails__tells_nobody(tenants: Tenants) -> None:
    name = uuid4().hex
    with tenancy.use(tenancy.platform("tests")):
        with pytest.raises(OnPurposeError):
            fails_after_telling(name)
        assert not OutboxEvent.objects.filter(payload__name=name).exists()


def test_emit__by_a_tenant_for_another__refused(tenants: Tenants) -> None:
    with tenancy.use(tenants["acme"]), pytest.raises(ProgrammingError, match="row-level security"):
        events.emit("x.happened", {}, tenant_id=tenants["globex"].id)


@pytest.mark.usefixtures("undone")
def test_relay__hands_over_in_order_and_forgets(settings: Any, tenants: Tenants) -> None:
    settings.EVENT_HANDLERS = ["tests.qualisys.test_events.remember"]
    for number in range(3):
        events.emit("x.happened", {"number": number}, tenant_id=tenants["acme"].id)
    assert events.relay() == 3
    assert [event.payload["number"] for event in SEEN] == [0, 1, 2]
    assert SEEN[0].tenant_id == tenants["acme"].id
    assert not OutboxEvent.objects.exists()


@pytest.mark.usefixtures("undone")
def test_relay__with_a_handler_that_fails__keeps_the_event_and_counts(settings: Any) -> None:
    settings.EVENT_HANDLERS = ["tests.qualisys.test_events.remember", "tests.qualisys.test_events.fail"]
    events.emit("x.happened", {})
    assert [events.relay() for _ in range(12)] == [0] * 12
    assert OutboxEvent.objects.get().attempts == events.MAX_ATTEMPTS
    assert len(SEEN) == events.MAX_ATTEMPTS, "and is left alone after that"


@pytest.mark.usefixtures("undone")
def test_relay__takes_no_more_than_asked(settings: Any) -> None:
    settings.EVENT_HANDLERS = ["tests.qualisys.test_events.remember"]
    for _ in range(5):
        events.emit("x.happened", {})
    assert [events.relay(limit=2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.usefixtures("undone")
def test_stale__event__makes_the_topic_stale_everywhere() -> None:
    topic = uuid4().hex
    cache.epochs.learn(topic, "old")
    events.emit("cache.stale", {"topic": topic})
    assert events.relay() == 1
    assert cache.epochs.known[topic] != "old"

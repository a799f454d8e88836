"""Who acts, and events that are no row changes: with their transaction or not at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connections, transaction

from qualisys import audit, tenancy
from qualisys.audit import Actor
from tests.connections import as_platform, column

Tenants = dict[str, tenancy.Tenant]


class OnPurposeError(Exception):
    """What goes wrong on purpose."""


@pytest.fixture
def acme(tenants: Tenants) -> Iterator[tenancy.Tenant]:
    with tenancy.use(tenants["acme"]):
        yield tenants["acme"]


def events(object_id: str) -> list[tuple[UUID, dict[str, Any]]]:
    with as_platform() as connection:
        query = "SELECT tenant_id, body FROM audit_event WHERE object_id = %s ORDER BY at"
        return [
            (chain, json.loads(body)) for chain, body in connection.execute(query, [object_id]).fetchall()
        ]


def test_actor__nested__comes_back() -> None:
    assert audit.actor().id == "system"
    with audit.acting(Actor("somebody", "req-1")), audit.because("a reason"):
        assert audit.actor() == Actor("somebody", "req-1", "a reason")
    assert audit.actor() == audit.SYSTEM


def test_record__as_a_tenant_for_another_or_the_platform__refused(
    acme: tenancy.Tenant, tenants: Tenants
) -> None:
    for other in (tenants["globex"].id, None):
        with pytest.raises(DatabaseError, match="belongs to the tenant"):
            audit.record("x.read", object_type="x", object_id=uuid4().hex, tenant_id=other)


def fails_after_recording(name: str) -> None:
    with transaction.atomic():
        audit.record("x.read", object_type="x", object_id=name, tenant_id=tenancy.tenant().id)
        raise OnPurposeError


def test_record__in_a_transaction_that_fails__leaves_nothing(acme: tenancy.Tenant) -> None:
    name = uuid4().hex
    with pytest.raises(OnPurposeError):
        fails_after_recording(name)
    assert events(name) == []


def test_record__joins_the_tenants_chain_with_actor_request_and_reason(acme: tenancy.Tenant) -> None:
    name = uuid4().hex
    with audit.acting(Actor("somebody", "req-9")), audit.because("to see"):
        audit.record("x.read", object_type="x", object_id=name, tenant_id=acme.id, after={"when": acme.id})
    ((chain, body),) = events(name)
    assert chain == acme.id
    assert (body["actor"], body["request_id"], body["reason"]) == ("somebody", "req-9", "to see")
    assert (body["action"], body["object_type"], body["after"]) == ("x.read", "x", {"when": str(acme.id)})


def test_record__by_the_platform_about_a_tenant__is_in_that_tenants_chain(tenants: Tenants) -> None:
    name = uuid4().hex
    with tenancy.use(tenancy.platform("support")):
        audit.record("prompt.read", object_type="x", object_id=name, tenant_id=tenants["globex"].id)
    assert [chain for chain, _ in events(name)] == [tenants["globex"].id]


def test_actor__of_one_transaction__does_not_stick_to_the_connection(acme: tenancy.Tenant) -> None:
    first, second = uuid4().hex, uuid4().hex
    with audit.acting(Actor("first", "req-1")):
        audit.record("x", object_type="x", object_id=first, tenant_id=acme.id)
    audit.record("x", object_type="x", object_id=second, tenant_id=acme.id)
    assert [body["actor"] for _, body in events(first) + events(second)] == ["first", "system"]


def test_two_transactions__that_touch_the_same_chains_crosswise__never_deadlock(tenants: Tenants) -> None:
    """Chains are locked in sorted order at commit, whatever the order of the events."""
    ids = [tenants["acme"].id, tenants["globex"].id, None]
    failures: list[Exception] = []
    together = threading.Barrier(2)

    def work(order: list[UUID | None]) -> None:
        try:
            together.wait()
            for _ in range(25):
                with tenancy.use(tenancy.platform("tests")), transaction.atomic():
                    for chain in order:
                        audit.record("x.crossed", object_type="x", object_id="crossed", tenant_id=chain)
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with as_platform() as connection:
        gaps = """SELECT tenant_id FROM audit_event GROUP BY tenant_id
                  HAVING count(*) <> max(seq) OR min(seq) <> 1"""
        assert column(connection, gaps) == []
        assert column(connection, "SELECT count(*) FROM audit_event WHERE object_id = 'crossed'") == [150]

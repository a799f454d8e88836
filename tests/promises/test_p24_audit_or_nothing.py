"""If the audit row cannot be written, the operation does not happen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from qualisys import tenancy
from tests.connections import app_role, as_owner, as_platform, column
from tests.people import key_of, somebody
from tests.portal import Portal

PLATFORM_CHAIN = UUID(int=0)


@contextmanager
def broken_audit() -> Iterator[None]:
    """Let every append to the audit trail fail, as a full disk would."""
    with as_owner() as owner:
        owner.execute(
            "CREATE OR REPLACE FUNCTION refuse_audit() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail cannot be written' USING ERRCODE = 'disk_full'; END $$"
        )
        owner.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION refuse_audit()"
        )
        try:
            yield
        finally:
            owner.execute("DROP TRIGGER refuse ON audit_event")


def events_of(object_id: str) -> list[dict[str, Any]]:
    """Return the recorded bodies about one object, oldest first."""
    with as_platform() as connection:
        query = "SELECT body FROM audit_event WHERE object_id = %s ORDER BY seq"
        return [json.loads(body) for body in column(connection, query, object_id)]


@pytest.mark.promise
def test_register__audit_cannot_be_written__nothing_is_registered(portal: Portal) -> None:
    """P24 A registration without its audit event does not happen, and the answer is a problem document."""
    agent_id = f"unrecorded-{uuid4().hex[:8]}"
    body = {"agent_id": agent_id, "name": "x", "system_prompt": "x", "required_roles": ["owner"]}
    with broken_audit(), portal.client(None) as client:
        refused = client.post("/admin/agents", json=body)
        assert refused.status_code in (500, 503)
        assert refused.headers["content-type"] == "application/problem+json"
        assert "Traceback" not in refused.text
        assert client.get(f"/admin/agents/{agent_id}").status_code == 404
    with portal.client(None) as client:
        assert client.post("/admin/agents", json=body).status_code == 201


@pytest.mark.promise
def test_kill_switch__audit_cannot_be_written__agent_stays_on(portal: Portal) -> None:
    """P24 Even the kill switch is not thrown unrecorded."""
    agent_id = portal.register()
    with broken_audit(), portal.client(None) as client:
        assert client.delete(f"/admin/agents/{agent_id}").status_code in (500, 503)
        assert client.get(f"/admin/agents/{agent_id}").json()["enabled"] is True


@pytest.mark.promise
def test_key_and_member__audit_cannot_be_written__neither_exists(tenants: dict[str, tenancy.Tenant]) -> None:
    """P24 Keys and members of a tenant join the same rule."""
    from tenants.models import ApiKey, Membership

    person = somebody(tenants["spare_0"])
    outsider = somebody()
    with broken_audit():
        with pytest.raises(Exception, match="audit trail"):
            key_of(tenants["spare_0"], person.user, name="never")
        with pytest.raises(Exception, match="audit trail"):
            somebody(tenants["spare_0"])
    with tenancy.use(tenants["spare_0"]):
        assert not ApiKey.objects.filter(name="never").exists()
        assert not Membership.objects.filter(user=outsider.user).exists()


def test_change__through_the_api__names_actor_request_and_reason(portal: Portal) -> None:
    agent_id = portal.register()
    with portal.client(None) as client:
        client.headers["X-Request-Id"] = "trace-me-1"
        assert client.delete(f"/admin/agents/{agent_id}?reason=drill").status_code == 204
    created, disabled = events_of(agent_id)
    assert created["action"] == "agent.created"
    assert disabled["action"] == "agent.changed"
    assert (disabled["before"], disabled["after"]) == ({"enabled": True}, {"enabled": False})
    assert disabled["request_id"] == "trace-me-1"
    assert disabled["reason"] == "drill"
    assert disabled["actor"].startswith("key:")


def test_change__by_plain_sql__is_recorded_all_the_same(portal: Portal) -> None:
    agent_id = portal.register()
    with as_platform() as connection:
        connection.execute("UPDATE agent_definitions SET name = 'Sneaky' WHERE agent_id = %s", [agent_id])
    assert events_of(agent_id)[-1]["after"] == {"name": "Sneaky"}


def test_person__recorded__only_as_salted_digest(tenants: dict[str, tenancy.Tenant]) -> None:
    person = somebody(name="Canary Person")
    (event,) = events_of(str(person.user.pk))
    assert person.email not in json.dumps(event)
    assert "Canary Person" not in json.dumps(event)
    assert event["after"]["password"] == "[secret]"
    with as_platform() as connection:
        salt, value = connection.execute(
            "SELECT salt, value FROM audit_personal WHERE value = %s", [person.email]
        ).fetchone() or (b"", "")
    assert event["after"]["email"]["digest"] == sha256(salt + value.encode()).hexdigest()


def test_chain__recomputed_from_its_bytes__matches_every_hash(portal: Portal) -> None:
    portal.register()
    with as_platform() as connection:
        rows = connection.execute(
            "SELECT seq, body, hash FROM audit_event WHERE tenant_id = %s ORDER BY seq", [PLATFORM_CHAIN]
        ).fetchall()
    link = b""
    for expected, (seq, body, stored) in enumerate(rows, 1):
        assert seq == expected
        link = sha256(link + seq.to_bytes(8, "big") + body.encode()).digest()
        assert link == bytes(stored)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_event (tenant_id, seq, at, actor, action, object_type, object_id, body, hash) "
        "VALUES (gen_random_uuid(), 1, now(), '', '', '', '', '', '')",
        "UPDATE audit_event SET body = '{}'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DELETE FROM audit_pending",
        "UPDATE audit_chain SET seq = 0",
    ],
)
def test_trail__touched_by_the_app_role__refused(demo: dict[str, Any], statement: str) -> None:
    with app_role(app__platform="tests") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_event__for_another_tenant__refused(tenants: dict[str, tenancy.Tenant]) -> None:
    call = "SELECT audit_record('x', 'y', 'z', %s, NULL, NULL)"
    settings = {"app__tenant_id": str(tenants["acme"].id)}
    with app_role(**settings) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(call, [tenants["globex"].id])

"""Writes of the registry: who may, what is refused, what is told and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from agents import definitions, services
from agents.models import AgentDefinition
from qualisys import audit, tenancy
from qualisys.access import System
from qualisys.models import OutboxEvent
from qualisys.problems import Problem
from tests.connections import as_platform, column

pytestmark = pytest.mark.usefixtures("database", "platform")
SYSTEM = System("tests")


class Nobody:
    """An actor without any right."""

    actor_id = "nobody"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False


@pytest.fixture
def platform() -> Iterator[None]:
    with tenancy.use(tenancy.platform("tests")), audit.acting(audit.Actor("tester", "req-services")):
        yield


def definition(agent_id: str = "", **changes: Any) -> definitions.Definition:
    agent_id = agent_id or f"service-{uuid4().hex[:8]}"
    return definitions.parse({"agent_id": agent_id, "name": "A", "required_roles": ["dev"], **changes})


def actions(agent_id: str) -> list[tuple[str, str]]:
    with as_platform() as connection:
        query = (
            "SELECT action, body::jsonb ->> 'request_id' FROM audit_event WHERE object_id = %s ORDER BY seq"
        )
        return [(action, request) for action, request in connection.execute(query, [agent_id]).fetchall()]


@pytest.mark.parametrize("verb", ["create", "update", "disable", "enable"])
def test_service__without_the_permission__does_nothing(verb: str) -> None:
    row = services.create_agent(actor=SYSTEM, definition=definition())
    calls: dict[str, Any] = {
        "create": lambda: services.create_agent(actor=Nobody(), definition=definition()),
        "update": lambda: services.update_agent(actor=Nobody(), agent_id=row.agent_id, data={}),
        "disable": lambda: services.set_enabled(actor=Nobody(), agent_id=row.agent_id, enabled=False),
        "enable": lambda: services.set_enabled(actor=Nobody(), agent_id=row.agent_id, enabled=True),
    }
    before = AgentDefinition.objects.count()
    with pytest.raises(Problem, match="permission_denied"):
        calls[verb]()
    row.refresh_from_db()
    assert (AgentDefinition.objects.count(), row.enabled) == (before, True)


def test_create__an_id_that_is_taken__conflict() -> None:
    row = services.create_agent(actor=SYSTEM, definition=definition())
    with pytest.raises(Problem, match="conflict"):
        services.create_agent(actor=SYSTEM, definition=definition(row.agent_id))


def test_update__of_no_agent__not_found() -> None:
    with pytest.raises(Problem, match="agent_not_found"):
        services.update_agent(actor=SYSTEM, agent_id="nothing", data={"name": "x", "required_roles": ["dev"]})


def test_disable__of_no_agent__not_found() -> None:
    with pytest.raises(Problem, match="agent_not_found"):
        services.set_enabled(actor=SYSTEM, agent_id="nothing", enabled=False)


def test_update__with_a_bad_field__changes_nothing() -> None:
    row = services.create_agent(actor=SYSTEM, definition=definition())
    with pytest.raises(Problem, match="validation_error"):
        services.update_agent(
            actor=SYSTEM, agent_id=row.agent_id, data={"name": "New", "required_roles": ["boss"]}
        )
    row.refresh_from_db()
    assert row.name == "A"


def test_update__keeps_id_and_type() -> None:
    row = services.create_agent(actor=SYSTEM, definition=definition(type="marketplace"))
    data = {"agent_id": "other", "type": "builtin", "name": "New", "required_roles": ["dev"]}
    changed = services.update_agent(actor=SYSTEM, agent_id=row.agent_id, data=data)
    assert (changed.agent_id, changed.type, changed.name) == (row.agent_id, "marketplace", "New")


def test_disable_and_enable__are_told_and_recorded_once_each() -> None:
    row = services.create_agent(actor=SYSTEM, definition=definition())
    for enabled in (False, False, True):
        services.set_enabled(actor=SYSTEM, agent_id=row.agent_id, enabled=enabled)
    assert actions(row.agent_id) == [
        ("agent.created", "req-services"), ("agent.changed", "req-services"), ("agent.changed", "req-services"),
    ]  # fmt: skip
    told = OutboxEvent.objects.filter(payload__agent_id=row.agent_id).values_list("topic", flat=True)
    assert set(told) <= {"agent.disabled", "agent.enabled"}


def test_delete__of_an_agent_with_versions__is_refused_by_the_database() -> None:
    with as_platform() as connection, pytest.raises(Exception, match="foreign key"):
        connection.execute("DELETE FROM agent_definitions WHERE agent_id = 'logreader'")
    assert column(as_platform(), "SELECT enabled FROM agent_definitions WHERE agent_id = 'logreader'") == [
        True
    ]

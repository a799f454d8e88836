"""Seeding the built-in agents, once and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from agents import builtin
from agents.models import AgentDefinition
from qualisys import tenancy
from versions.builtin import seed
from versions.models import AgentVersion

pytestmark = pytest.mark.usefixtures("database", "platform")


@pytest.fixture
def platform() -> Iterator[None]:
    with tenancy.use(tenancy.platform("tests")):
        yield


def state() -> list[Any]:
    definitions = list(AgentDefinition.objects.filter(type="builtin").order_by("agent_id").values())
    return [definitions, list(AgentVersion.objects.filter(agent__type="builtin").order_by("id").values())]


def test_seed__twice__changes_nothing() -> None:
    before = state()
    assert [seed(AgentDefinition, AgentVersion) for _ in range(2)] == [0, 0]
    assert state() == before


def test_seed__what_an_administrator_changed__is_left_alone() -> None:
    with transaction.atomic():
        AgentDefinition.objects.filter(agent_id="logreader").update(name="Ours", enabled=False)
        seed(AgentDefinition, AgentVersion)
        row = AgentDefinition.objects.get(agent_id="logreader")
        transaction.set_rollback(True)
    assert (row.name, row.enabled) == ("Ours", False)


@pytest.mark.parametrize("agent", builtin.load(), ids=lambda agent: agent.agent_id)
def test_migration__seeded_every_agent_with_version_1_0_0_at_100(agent: builtin.BuiltinAgent) -> None:
    row = AgentDefinition.objects.get(agent_id=agent.agent_id)
    assert (row.name, row.type, row.phase) == (agent.name, "builtin", agent.phase)
    assert (row.tags, row.required_roles, row.access) == (
        list(agent.tags),
        list(agent.required_roles),
        agent.access,
    )
    version = AgentVersion.objects.get(agent=row, version="1.0.0")
    assert (version.rollout_percentage, version.system_prompt) == (100, agent.system_prompt)
    assert (version.output_schema, len(version.content_hash)) == (agent.output_schema, 64)

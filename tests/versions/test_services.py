"""Writes of versions: numbering, rollout, and what may not be left behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connections

from agents import definitions
from agents import services as agents
from agents.models import AgentDefinition
from qualisys import audit, tenancy
from qualisys.access import System
from qualisys.problems import Problem
from tests.connections import as_owner, as_platform, column
from versions import services
from versions.models import AgentVersion

pytestmark = pytest.mark.usefixtures("database", "platform")
SYSTEM = System("tests")
SCHEMA = {"type": "object"}


class Nobody:
    """An actor without any right."""

    actor_id = "nobody"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False


@pytest.fixture
def platform() -> Iterator[None]:
    with tenancy.use(tenancy.platform("tests")):
        yield


@pytest.fixture
def agent_id() -> str:
    fields = {"agent_id": f"versions-{uuid4().hex[:8]}", "name": "A", "required_roles": ["dev"]}
    prompt = definitions.parse_prompt({"system_prompt": "First.", "output_schema": SCHEMA})
    row = services.register_agent(actor=SYSTEM, definition=definitions.parse(fields), prompt=prompt)
    return row.agent_id


def create(agent_id: str, actor: Any = SYSTEM, **changes: Any) -> AgentVersion:
    data = {"system_prompt": changes.pop("system_prompt", "Next."), **changes.pop("data", {})}
    return services.create_version(
        actor=actor, agent_id=agent_id, data=data, **{"changelog": "Next.", **changes}
    )


def test_register__without_permission__creates_neither_agent_nor_version() -> None:
    fields = {"agent_id": f"versions-{uuid4().hex[:8]}", "name": "A", "required_roles": ["dev"]}
    with pytest.raises(Problem, match="permission_denied"):
        services.register_agent(
            actor=Nobody(), definition=definitions.parse(fields), prompt=definitions.Prompt(system_prompt="x")
        )
    assert not AgentDefinition.objects.filter(agent_id=fields["agent_id"]).exists()


def test_register__creates_version_1_0_0_at_100_percent(agent_id: str) -> None:
    (row,) = AgentVersion.objects.filter(agent__agent_id=agent_id)
    assert (row.version, row.rollout_percentage, row.status, row.author) == (
        "1.0.0",
        100,
        "active",
        "system:tests",
    )
    assert (row.system_prompt, row.output_schema) == ("First.", SCHEMA)


def test_content_hash__follows_prompt_and_schema_but_not_the_order_of_keys() -> None:
    def digest(schema: dict[str, Any], prompt: str = "x") -> str:
        return services.content_hash(definitions.Prompt(system_prompt=prompt, output_schema=schema))

    assert digest({"type": "object", "title": "A"}) == digest({"title": "A", "type": "object"})
    assert len({digest({}), digest({"title": "A"}), digest({}, "y")}) == 3
    assert digest({}) == "582e2150e880eb4218af4d1e930aec133f185b43f499153d460066777c3656ac"


@pytest.mark.parametrize(
    "changes",
    [
        {"changelog": ""}, {"changelog": "  "}, {"changelog": "x" * 5_001}, {"rollout_percentage": -1},
        {"rollout_percentage": 101}, {"system_prompt": ""}, {"system_prompt": "x" * 50_001}, {"system_prompt": None},
        {"data": {"output_schema": {"type": "nothing"}}},
    ],
)  # fmt: skip
def test_create__with_a_bad_field__creates_nothing(agent_id: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="validation_error"):
        create(agent_id, **changes)
    assert AgentVersion.objects.filter(agent__agent_id=agent_id).count() == 1


def test_create__without_permission_or_agent__refused(agent_id: str) -> None:
    with pytest.raises(Problem, match="permission_denied"):
        create(agent_id, actor=Nobody())
    with pytest.raises(Problem, match="agent_not_found"):
        create("nothing")


def test_create__for_an_agent_without_any_version__refused() -> None:
    bare = definitions.parse(
        {"agent_id": f"versions-{uuid4().hex[:8]}", "name": "A", "required_roles": ["dev"]}
    )
    agents.create_agent(actor=SYSTEM, definition=bare)
    with pytest.raises(Problem, match="agent_not_found"):
        create(bare.agent_id)


def test_create__counts_on_by_the_part_that_is_asked_for(agent_id: str) -> None:
    numbers = [create(agent_id, bump=bump).version for bump in ("minor", "patch", "minor", "major", "patch")]
    assert numbers == ["1.1.0", "1.1.1", "1.2.0", "2.0.0", "2.0.1"]


def test_create__past_the_tenth__counts_as_numbers(agent_id: str) -> None:
    numbers = [create(agent_id).version for _ in range(11)]
    assert numbers[-2:] == ["1.10.0", "1.11.0"]


def test_create__without_a_schema__keeps_the_newest_ones(agent_id: str) -> None:
    assert create(agent_id).output_schema == SCHEMA
    assert create(agent_id, data={"output_schema": {}}).output_schema == {}
    assert create(agent_id).output_schema == {}


def test_create__by_many_at_once__gives_each_a_number_of_its_own(agent_id: str) -> None:
    def work(number: int) -> str:
        try:
            with tenancy.use(tenancy.platform("tests")):
                return create(agent_id, changelog=f"Author {number}.").version
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as authors:
        numbers = list(authors.map(work, range(24)))
    assert sorted(numbers, key=lambda number: int(number.split(".")[1])) == [f"1.{n}.0" for n in range(1, 25)]


@pytest.mark.parametrize(
    "changes", [{"rollout_percentage": 101}, {"rollout_percentage": -1}, {"status": "gone"}]
)
def test_update__with_a_bad_field__refused(agent_id: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="validation_error"):
        services.update_version(actor=SYSTEM, agent_id=agent_id, version="1.0.0", **changes)


def test_update__without_permission_or_version__refused(agent_id: str) -> None:
    with pytest.raises(Problem, match="permission_denied"):
        services.update_version(actor=Nobody(), agent_id=agent_id, version="1.0.0", rollout_percentage=100)
    with pytest.raises(Problem, match="version_not_found"):
        services.update_version(actor=SYSTEM, agent_id=agent_id, version="9.9.9", rollout_percentage=100)


@pytest.mark.parametrize(
    "changes", [{"rollout_percentage": 99}, {"status": "retired"}, {"status": "deprecated"}]
)
def test_update__that_leaves_nobody_stable__conflict(agent_id: str, changes: dict[str, Any]) -> None:
    create(agent_id, rollout_percentage=99)
    with pytest.raises(Problem, match="conflict"):
        services.update_version(actor=SYSTEM, agent_id=agent_id, version="1.0.0", **changes)
    assert AgentVersion.objects.get(agent__agent_id=agent_id, version="1.0.0").status == "active"


def test_update__promote_then_retire__moves_on_and_says_why(agent_id: str) -> None:
    create(agent_id)
    services.update_version(actor=SYSTEM, agent_id=agent_id, version="1.1.0", rollout_percentage=100)
    row = services.update_version(
        actor=SYSTEM, agent_id=agent_id, version="1.0.0", status="retired", reason="it is old"
    )
    assert row.retired_at is not None
    with as_platform() as connection:
        query = (
            "SELECT body::jsonb ->> 'reason' FROM audit_event WHERE object_id = %s ORDER BY seq DESC LIMIT 1"
        )
        assert column(connection, query, str(row.pk)) == ["it is old"]
    again = services.update_version(actor=SYSTEM, agent_id=agent_id, version="1.0.0", status="active")
    assert again.retired_at is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agent_versions SET system_prompt = 'x' WHERE agent_id = %s",
        "UPDATE agent_versions SET output_schema = '{}' WHERE agent_id = %s",
        "UPDATE agent_versions SET version = '7.0.0' WHERE agent_id = %s",
        "UPDATE agent_versions SET content_hash = '' WHERE agent_id = %s",
        "UPDATE agent_versions SET changelog = '' WHERE agent_id = %s",
        "UPDATE agent_versions SET agent_id = 'logreader' WHERE agent_id = %s",
        "DELETE FROM agent_versions WHERE agent_id = %s",
    ],
)
def test_version__content_changed_or_row_deleted__refused_by_the_database(
    agent_id: str, statement: str
) -> None:
    for connect in (as_platform, as_owner):
        with connect() as connection, pytest.raises(psycopg.errors.RestrictViolation, match="immutable"):
            connection.execute(statement, [agent_id])


def test_versions__recorded_with_their_author(agent_id: str) -> None:
    with audit.acting(audit.Actor("author-7", "req-7")):
        row = create(agent_id)
    with as_platform() as connection:
        query = "SELECT actor, body::jsonb ->> 'request_id' FROM audit_event WHERE object_id = %s"
        assert connection.execute(query, [str(row.pk)]).fetchall() == [("author-7", "req-7")]

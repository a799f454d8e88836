"""Versions as the run path reads them."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
import redis

from agents import definitions
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.access import System
from qualisys.database.threads import in_thread
from versions import registry, services

pytestmark = pytest.mark.usefixtures("database")
SYSTEM = System("tests")


@pytest.fixture
def agent_id() -> str:
    fields = {"agent_id": f"vregistry-{uuid4().hex[:8]}", "name": "A", "required_roles": ["dev"]}
    prompt = definitions.parse_prompt({"system_prompt": "First.", "output_schema": {"type": "object"}})
    with tenancy.use(tenancy.platform("tests")):
        return services.register_agent(
            actor=SYSTEM, definition=definitions.parse(fields), prompt=prompt
        ).agent_id


async def test_of__no_such_agent__is_empty() -> None:
    assert await registry.of("nothing") == ()


async def test_of__newest_first_and_fresh_after_a_new_one(agent_id: str) -> None:
    assert [str(v.number) for v in await registry.of(agent_id)] == ["1.0.0"]
    with tenancy.use(tenancy.platform("tests")):
        for _ in range(10):
            await in_thread(
                services.create_version,
                actor=SYSTEM,
                agent_id=agent_id,
                data={"system_prompt": "x"},
                changelog="x",
            )
    numbers = [str(v.number) for v in await registry.of(agent_id)]
    assert (numbers[0], numbers[-1], len(numbers)) == ("1.10.0", "1.0.0", 11)


async def test_of__through_redis__comes_back_equal(agent_id: str) -> None:
    loaded = await registry.of(agent_id)
    assert redis.Redis.from_url(os.environ["REDIS_URL"]).exists(f"agent_versions:{agent_id}")
    registry._versions._entries.clear()
    assert await registry.of(agent_id) == loaded
    await qredis.close()


async def test_validator__of_a_version__is_compiled_once(agent_id: str) -> None:
    (version,) = await registry.of(agent_id)
    assert registry.validator(version) is registry.validator(version)
    assert registry.validator(version).is_valid({})
    assert not registry.validator(version).is_valid([])

"""Definitions as the run path reads them: remembered, shared, forgotten in time."""

from __future__ import annotations

import os
from uuid import uuid4

import orjson
import pytest
import redis

from agents import definitions, registry, services
from agents.registry import Agent
from qualisys import cache, tenancy
from qualisys import redis as qredis
from qualisys.access import System
from qualisys.database.threads import in_thread
from tests.connections import as_platform

pytestmark = pytest.mark.usefixtures("database")
SYSTEM = System("tests")


@pytest.fixture
def agent_id() -> str:
    name = f"registry-{uuid4().hex[:8]}"
    made = definitions.parse({"agent_id": name, "name": "A", "required_roles": ["dev"], "tags": ["a", "b"]})
    with tenancy.use(tenancy.platform("tests")):
        services.create_agent(actor=SYSTEM, definition=made)
    return name


def behind_the_back(agent_id: str, name: str) -> None:
    """Change a row while no relay runs that would tell anybody."""
    with as_platform() as connection:
        connection.execute("UPDATE agent_definitions SET name = %s WHERE agent_id = %s", [name, agent_id])


def agent(access: dict[str, str], required: tuple[str, ...] = ("dev",)) -> Agent:
    return Agent(
        "1", "a", "A", "", "custom", "custom", "openai", "m", 100, 1, (), required, access, (), (), "", True
    )


@pytest.mark.parametrize("role", ["", None, "boss", "viewer"])
def test_access__of_a_role_that_is_not_named__is_none(role: str | None) -> None:
    assert agent({}).access_of(role) is None
    assert agent({"dev": "full"}).access_of(role) is None


def test_access__by_matrix__wins_over_required_roles() -> None:
    assert agent({}).access_of("dev") == "full"
    assert agent({"dev": "read"}).access_of("dev") == "read"
    assert agent({"owner": "full"}).access_of("dev") is None


async def test_find__no_such_agent__is_none() -> None:
    assert await registry.find("nothing-here") is None


async def test_find__twice__asks_the_database_once(agent_id: str) -> None:
    assert (await registry.find(agent_id)).name == "A"  # type: ignore[union-attr]
    behind_the_back(agent_id, "B")
    assert (await registry.find(agent_id)).name == "A"  # type: ignore[union-attr]
    cache.bump([cache.AGENTS])
    assert (await registry.find(agent_id)).name == "B"  # type: ignore[union-attr]


async def test_find__an_agent_that_was_shared_before_there_were_fallbacks__has_none(agent_id: str) -> None:
    await registry.find(agent_id)
    client, key = redis.Redis.from_url(os.environ["REDIS_URL"]), f"agent_def:{agent_id}"
    raw = client.get(key)
    assert isinstance(raw, bytes)
    shared = orjson.loads(raw)
    assert shared["value"].pop("fallbacks") == []
    client.set(key, orjson.dumps(shared))
    registry._agents._entries.clear()
    assert (await registry.find(agent_id)).fallbacks == ()  # type: ignore[union-attr]


async def test_find__in_another_process__shares_through_redis_for_an_hour(agent_id: str) -> None:
    await registry.find(agent_id)
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    assert 3500 < client.ttl(f"agent_def:{agent_id}") <= registry.TTL == 3600
    registry._agents._entries.clear()
    behind_the_back(agent_id, "B")
    shared = await registry.find(agent_id)
    assert shared is not None
    assert (shared.name, shared.tags, shared.required_roles) == ("A", ("a", "b"), ("dev",))


async def test_find__after_redis_was_flushed__reads_the_database_again(agent_id: str) -> None:
    await registry.find(agent_id)
    behind_the_back(agent_id, "B")
    redis.Redis.from_url(os.environ["REDIS_URL"]).hdel(cache.HASH, cache.AGENTS)
    await cache.epochs.refresh()
    assert (await registry.find(agent_id)).name == "B"  # type: ignore[union-attr]


async def test_enabled__leaves_out_what_is_turned_off(agent_id: str) -> None:
    assert agent_id in {each.agent_id for each in await registry.enabled()}
    with tenancy.use(tenancy.platform("tests")):
        await in_thread(services.set_enabled, actor=SYSTEM, agent_id=agent_id, enabled=False)
    names = [each.agent_id for each in await registry.enabled()]
    assert agent_id not in names
    assert (await registry.find(agent_id)).enabled is False  # type: ignore[union-attr]
    await qredis.close()

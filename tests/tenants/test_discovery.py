"""Which agents a member discovers, and that grants never cross from tenant to tenant."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest
import redis

from agents import definitions
from qualisys import cache, tenancy
from qualisys.database.threads import in_thread
from tenants import directory, discovery, members
from tenants.identity import Identity
from tests.people import SYSTEM, Somebody, somebody
from versions.services import register_agent

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]


def registered(tag: str, **fields: object) -> str:
    agent_id = f"found-{uuid4().hex[:8]}"
    values = {"agent_id": agent_id, "name": agent_id, "required_roles": ["owner"], "tags": [tag], **fields}
    with tenancy.use(tenancy.platform("tests")):
        register_agent(
            actor=SYSTEM, definition=definitions.parse(values), prompt=definitions.Prompt(system_prompt="x")
        )
    return agent_id


async def seen(tenant: tenancy.Tenant, person: Somebody, *tags: str) -> dict[str, bool]:
    """What a person discovers in a tenant, with whether it may be run."""
    found = await directory.people.get((str(tenant.id), person.user.pk))
    assert found is not None
    with tenancy.use(tenant):
        cards = await discovery.discover(Identity(found, tenant, "token", str(uuid4())), tags)
    return {card["agent_id"]: card["may_run"] for card in cards}


@pytest.fixture
def tag() -> str:
    return uuid4().hex


@pytest.fixture
def person(tenants: Tenants) -> Somebody:
    """A developer in two tenants."""
    made = somebody(tenants["acme"], "dev")
    with tenancy.use(tenancy.platform("tests")):
        members.add_member(actor=SYSTEM, tenant_id=tenants["globex"].id, user=made.user, role="dev")
    return made


async def test_agent__for_other_roles_or_disabled_or_without_a_version__is_not_there(
    tenants: Tenants, tag: str, person: Somebody
) -> None:
    def make() -> None:
        registered(tag)
        registered(tag, required_roles=["dev"], enabled=False)

    await in_thread(make)
    assert await seen(tenants["acme"], person, tag) == {}


async def test_tags__several__must_all_be_there(tenants: Tenants, tag: str, person: Somebody) -> None:
    agent = await in_thread(registered, tag, required_roles=["dev"], tags=[tag, "second"])
    assert await seen(tenants["acme"], person, tag, "second") == {agent: True}
    assert await seen(tenants["acme"], person, tag, "third") == {}


async def test_access__to_read__is_seen_but_not_run(tenants: Tenants, tag: str, person: Somebody) -> None:
    agent = await in_thread(registered, tag, required_roles=["owner"], access={"dev": "read"})
    assert await seen(tenants["acme"], person, tag) == {agent: False}


async def test_grant__in_one_tenant__is_none_in_the_other(
    tenants: Tenants, tag: str, person: Somebody
) -> None:
    agent = await in_thread(registered, tag)

    def grant() -> None:
        from guardian.shortcuts import assign_perm

        from agents.models import AgentDefinition

        with tenancy.use(tenancy.platform("tests")):
            row = AgentDefinition.objects.get(agent_id=agent)
        with tenancy.use(tenants["acme"]):
            assign_perm("agents.run_agentdefinition", person.user, row)
        cache.bump([str(tenants["acme"].id)])

    await in_thread(grant)
    assert await seen(tenants["acme"], person, tag) == {agent: True}
    assert await seen(tenants["globex"], person, tag) == {}
    assert await seen(tenants["acme"], await in_thread(somebody, tenants["acme"], "dev"), tag) == {}


async def test_answer__is_kept_in_redis_for_five_minutes_by_tenant_and_role(
    tenants: Tenants, tag: str, person: Somebody
) -> None:
    await seen(tenants["acme"], person, tag)
    key = f"agent_discovery:{tenants['acme'].id}:dev"
    assert 280 < redis.Redis.from_url(os.environ["REDIS_URL"]).ttl(key) <= discovery.TTL == 300
    agent = await in_thread(registered, tag, required_roles=["dev"])
    assert await seen(tenants["acme"], person, tag) == {agent: True}, "and a new agent is there at once"

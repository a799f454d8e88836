"""The kill switch works in every process within a second, also when messages or the writer are lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis

from qualisys import tenancy
from tenants import api_keys, members, services
from tenants.models import Tenant
from tenants.overrides import services as overrides
from tenants.overrides.wishes import Wishes
from tests.conftest import FULL
from tests.connections import as_platform
from tests.people import SYSTEM, Somebody, key_of, somebody
from tests.portal import Portal, Process, wait_for

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]

SECONDS = 1.0 if FULL else 3.0
ROUNDS = 20 if FULL else 1
HOME = "spare_2"


@pytest.fixture(scope="module")
def webs(portal: Portal) -> list[Process]:
    """Two web processes that nobody else kills."""
    return [portal.web(), *portal.new_webs(1)]


@contextmanager
def deaf() -> Iterator[None]:
    """Cut every subscription to Redis again and again, so that no message arrives."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    stop = threading.Event()
    # Whoever was cut in the test before comes back after a moment: there must be somebody to cut.
    wait_for(lambda: client.client_kill_filter(_type="pubsub") > 0, 20, "somebody listens")

    def cut() -> None:
        while not stop.wait(0.01):
            client.client_kill_filter(_type="pubsub")

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        stop.wait(0.1)
        yield
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Target:
    """What will be killed, who notices, and the row that says so."""

    kind: str
    agent: str
    person: Somebody
    key: str
    kill: Callable[[], object]
    sql: tuple[str, object]
    revive: str = ""


@pytest.fixture
def target(request: pytest.FixtureRequest, portal: Portal, tenants: Tenants) -> Iterator[Target]:
    kind: str = request.param
    home = tenants[HOME]
    agent, person = portal.register(), somebody(home, "dev")
    key, text = key_of(home, person.user)
    assert person.member is not None
    with tenancy.use(home):
        overrides.save_config(actor=SYSTEM, tenant=home, agent_id=agent, wishes=Wishes())

    def kill() -> None:
        with tenancy.use(tenancy.platform("tests")):
            if kind == "key":
                api_keys.revoke_api_key(actor=SYSTEM, key=key)
            elif kind == "member":
                members.change_member(actor=SYSTEM, member=person.member, is_active=False)  # type: ignore[arg-type]
            elif kind == "tenant":
                services.set_status(actor=SYSTEM, tenant=Tenant.objects.get(pk=home.id), status="suspended")
        if kind == "override":
            with tenancy.use(home):
                overrides.set_enabled(actor=SYSTEM, tenant=home, agent_id=agent, enabled=False)
        if kind == "agent":
            with portal.client(None) as client:
                assert client.delete(f"/admin/agents/{agent}").status_code == 204

    sql = {
        "agent": ("UPDATE agent_definitions SET enabled = false WHERE agent_id = %s", agent),
        "key": ("UPDATE tenants_apikey SET revoked_at = now() WHERE id = %s", key.pk),
        "member": ("UPDATE tenants_membership SET is_active = false WHERE id = %s", person.member.pk),
        "override": ("UPDATE tenant_agent_configs SET enabled = false WHERE agent_id = %s", agent),
        "person": ("UPDATE tenants_user SET is_active = false WHERE id = %s", person.user.pk),
        "tenant": ("UPDATE tenants_tenant SET status = 'suspended' WHERE id = %s", home.id),
    }[kind]
    yield Target(kind, agent, person, text, kill, sql)
    with tenancy.use(tenancy.platform("tests")):
        services.set_status(actor=SYSTEM, tenant=Tenant.objects.get(pk=home.id), status="active")


def asked(portal: Portal, target: Target, web: Process, *, run: bool) -> int:
    """Look at the agent with the key, or run it, and return the status."""
    with portal.client(HOME, None, web, **{"X-API-Key": target.key}) as client:
        if run:
            return client.post(f"/agents/{target.agent}/runs", json={"input": "x"}).status_code
        return client.get(f"/agents/{target.agent}").status_code


def killed_everywhere(portal: Portal, target: Target, webs: list[Process], how: Callable[[], object]) -> None:
    """See it run in both processes, kill it, and see both refuse in time.

    Only looking is waited for: a run is checked against the epochs once more as it is admitted.
    """
    # The test before may have brought the same tenant back a moment ago.
    wait_for(lambda: {asked(portal, target, web, run=True) for web in webs} == {201}, SECONDS, "it runs")
    wait_for(lambda: {asked(portal, target, web, run=False) for web in webs} == {200}, SECONDS, "it is shown")
    how()
    refusals = {401, 403, 404}
    took = wait_for(
        lambda: {asked(portal, target, web, run=False) for web in webs} <= refusals, SECONDS, target.kind
    )
    assert {asked(portal, target, web, run=True) for web in webs} <= refusals
    print(f"P21 {target.kind}: refused in both processes after {took * 1000:.0f} ms")


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("target", ["agent", "key", "member", "override", "tenant"], indirect=True)
def test_kill__is_felt_everywhere(portal: Portal, webs: list[Process], target: Target, round_: int) -> None:
    """P21: killed in a third process, refused in both."""
    killed_everywhere(portal, target, webs, target.kill)


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("target", ["agent", "key", "member", "override", "tenant"], indirect=True)
def test_kill__with_every_message_lost__is_felt_everywhere(
    portal: Portal, webs: list[Process], target: Target, round_: int
) -> None:
    """P21: subscriptions are cut all the while; polling finds out."""
    with deaf():
        killed_everywhere(portal, target, webs, target.kill)


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize("target", ["agent", "key", "member", "override", "person", "tenant"], indirect=True)
def test_kill__by_a_writer_that_died_after_its_commit__is_felt_everywhere(
    portal: Portal, webs: list[Process], target: Target, round_: int
) -> None:
    """P21: the row is changed and nobody announces it: trigger, outbox and relay do."""

    def commit_and_die() -> None:
        with as_platform() as connection:
            assert connection.execute(target.sql[0], [target.sql[1]]).rowcount == 1

    with deaf():
        killed_everywhere(portal, target, webs, commit_and_die)


def test_version__taken_back__is_served_to_nobody_anywhere(portal: Portal, webs: list[Process]) -> None:
    """P21: a rollout set to 0 % ends in every process within a second, messages lost."""
    agent = portal.register()
    admin = f"/admin/agents/{agent}/versions"

    def version(web: Process) -> str:
        with portal.client("acme", "key", web) as client:
            return str(client.get(f"/agents/{agent}").json()["version"])

    with portal.client(None) as client, deaf():
        body = {"system_prompt": "Other words.", "changelog": "Other words.", "rollout_percentage": 100}
        assert client.post(admin, json=body).status_code == 201
        wait_for(lambda: [version(web) for web in webs] == ["1.1.0", "1.1.0"], SECONDS, "the new version")
        assert client.put(f"{admin}/1.1.0", json={"rollout_percentage": 0}).status_code == 200
        wait_for(lambda: [version(web) for web in webs] == ["1.0.0", "1.0.0"], SECONDS, "the old version")


def test_caches__without_polling_and_messages__would_go_on(portal: Portal, tenants: Tenants) -> None:
    """P21: what the tests above wait for is really remembered: a process that hears nothing serves the old answer."""
    import asyncio

    from agents import registry
    from qualisys import cache

    agent = portal.register()

    async def remembered() -> tuple[bool, bool]:
        before = await registry.find(agent)
        with as_platform() as connection:
            connection.execute("UPDATE agent_definitions SET enabled = false WHERE agent_id = %s", [agent])
        stale = await registry.find(agent)
        await asyncio.sleep(1)
        await cache.epochs.refresh()
        fresh = await registry.find(agent)
        assert before is not None
        assert stale is not None
        assert fresh is not None
        return stale.enabled, fresh.enabled

    assert asyncio.run(remembered()) == (True, False)

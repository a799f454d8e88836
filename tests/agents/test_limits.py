"""Limits: which number holds where several speak, and who may write which."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from typing import Any
from uuid import uuid4

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from pydantic import ValidationError

from agents import definitions
from agents import services as agents
from agents.guard.plan import Candidate, Plan, Price
from agents.limits import registry, services
from agents.limits.models import Limits
from agents.limits.numbers import Numbers, Spending, in_words
from agents.limits.services import Scope
from agents.limits.settle import Rows, settle, settle_conduct, settle_tenant, without_own
from qualisys import audit, cache, tenancy
from qualisys.access import System
from qualisys.problems import Problem
from tests.connections import as_platform

SYSTEM = System("tests")
Tenants = dict[str, tenancy.Tenant]


class Nobody:
    """An actor without any right."""

    actor_id = "nobody"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False


def rows(**said: Any) -> Rows:
    """Rows of one tenant; those of agents are all about `a`."""
    found: dict[str, Any] = {}
    for name, numbers in said.items():
        found[name] = {"a": Numbers(**numbers)} if name.endswith("agents") else Numbers(**numbers)
    return Rows(**found)


def test_nobody_said_anything__the_specifications_defaults() -> None:
    found = settle(rows(), "a", 10_000)
    assert found.agent == {"daily_tokens": 1_000_000}
    assert found.tenant == {"runs_per_minute": 600, "concurrent_runs": 50}
    assert found.conduct == {
        "breaker_failures": 5, "breaker_window_seconds": 120, "breaker_share": 0.1, "breaker_cooldown_seconds": 60,
    }  # fmt: skip
    assert found.guard_percentage == 100
    assert {*found.agent_sources.values(), *found.tenant_sources.values()} == {"default"}


@pytest.mark.parametrize(
    ("said", "value", "source"),
    [
        ({"agents": 7}, 7, "agent"),
        ({"agents": 7, "tenant_agents": 9}, 9, "tenant"),
        ({"tenant_agents": 9, "own_agents": 8}, 8, "own"),
        ({"tenant_agents": 9, "own_agents": 10}, 9, "tenant"),
        ({"platform": 3, "tenant": 4, "own": 5}, 1000, "default"),
    ],
)
def test_spending_of_an_agent__the_nearest_row__and_own_only_tightens(
    said: dict[str, int], value: int, source: str
) -> None:
    numbers = {name: {"daily_tokens": each} for name, each in said.items()}
    found = settle(rows(**numbers), "a", 10)
    assert (found.agent["daily_tokens"], found.agent_sources["daily_tokens"]) == (value, source)
    assert settle(rows(**numbers), "another", 10).agent["daily_tokens"] == 1000


@pytest.mark.parametrize(
    ("said", "value", "source"),
    [
        ({"platform": 70}, 70, "platform"),
        ({"platform": 70, "tenant": 90}, 90, "tenant"),
        ({"platform": 70, "own": 60}, 60, "own"),
        ({"platform": 70, "own": 80}, 70, "platform"),
        ({"agents": 1, "tenant_agents": 2}, 600, "default"),
    ],
)
def test_spending_of_a_tenant__the_nearest_row__and_own_only_tightens(
    said: dict[str, int], value: int, source: str
) -> None:
    numbers = {name: {"runs_per_minute": each} for name, each in said.items()}
    values, sources = settle_tenant(rows(**numbers))
    assert (values["runs_per_minute"], sources["runs_per_minute"]) == (value, source)


def test_own_limit__where_the_platform_sets_none__holds() -> None:
    values, sources = settle_tenant(rows(own={"daily_cost": "2.5"}))
    assert (values["daily_cost"], sources["daily_cost"]) == (Decimal("2.5"), "own")
    assert "daily_cost" not in settle_tenant(without_own(rows(own={"daily_cost": "2.5"})))[0]


def test_conduct__a_zero_share_is_a_number__and_the_nearest_row_holds() -> None:
    said = {"platform": {"breaker_share": 0, "gap_seconds": 9}, "tenant": {"gap_seconds": 8},
            "agents": {"gap_seconds": 7}, "own": {"gap_seconds": 1}}  # fmt: skip
    values, sources = settle_conduct(rows(**said), "a")
    assert (values["breaker_share"], sources["breaker_share"]) == (0, "platform")
    assert (values["gap_seconds"], sources["gap_seconds"]) == (7, "agent")
    assert settle_conduct(rows(**said), None)[0]["gap_seconds"] == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"daily_tokens": 0}, {"daily_tokens": -1}, {"daily_tokens": True}, {"daily_tokens": 1.5},
        {"daily_tokens": 10**16}, {"daily_cost": -1}, {"daily_cost": "1.00001"}, {"daily_cost": "NaN"},
        {"daily_cost": True}, {"runs_per_minute": 0}, {"gap_seconds": 3601}, {"breaker_share": 1.1},
        {"breaker_share": False}, {"breaker_window_seconds": 9}, {"guard_percentage": 101}, {"tokens": 5},
    ],
    ids=str,
)  # fmt: skip
def test_numbers__that_mean_nothing__refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Numbers(**wrong)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("daily_tokens", 1_000_000, "1,000,000 tokens"), ("daily_cost", Decimal("12.5000"), "$12.50"),
        ("monthly_cost", Decimal("0.1234"), "$0.1234"), ("runs_per_minute", 600, "600 runs"),
        ("breaker_share", 0.1, "10 %"), ("breaker_failures", 5, "5 failures"), ("gap_seconds", 30, "30 s"),
    ],
)  # fmt: skip
def test_number__in_words__has_its_unit(name: str, value: Any, words: str) -> None:
    assert in_words(name, value) == words


@pytest.fixture
def limited(tenants: Tenants) -> Iterator[tenancy.Tenant]:
    """A tenant without limits, left so; the test acts for the platform."""
    with tenancy.use(tenancy.platform("tests")), audit.acting(audit.Actor("tester", f"req-{uuid4().hex}")):
        yield tenants["spare_1"]
        Limits.objects.filter(tenant_id=tenants["spare_1"].id).delete()


@pytest.fixture
def agent(limited: tenancy.Tenant) -> str:
    fields: dict[str, Any] = {
        "agent_id": f"limited-{uuid4().hex[:8]}",
        "name": "A",
        "required_roles": ["dev"],
    }
    fields["max_tokens_per_invocation"] = 1000
    return agents.create_agent(actor=SYSTEM, definition=definitions.parse(fields)).agent_id


def refused(call: Any, **arguments: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(**arguments)
    return caught.value


def test_write__without_the_permission__does_nothing(limited: tenancy.Tenant) -> None:
    for call in (services.set_limits, services.set_own_limits):
        wanted = {"actor": Nobody(), "tenant_id": limited.id, "numbers": Numbers(daily_tokens=1)}
        assert refused(call, **wanted).code == "permission_denied"
    assert not Limits.objects.filter(tenant_id=limited.id).exists()


def test_write__for_no_agent__not_found(limited: tenancy.Tenant) -> None:
    for call in (services.set_limits, services.set_own_limits):
        wanted = {
            "actor": SYSTEM,
            "tenant_id": limited.id,
            "agent_id": "nothing",
            "numbers": Numbers(daily_tokens=1),
        }
        assert refused(call, **wanted).code == "agent_not_found"


def test_guard_percentage__of_an_agent_or_tenant__refused(limited: tenancy.Tenant, agent: str) -> None:
    for scope in ({"agent_id": agent}, {"tenant_id": limited.id}):
        problem = refused(services.set_limits, actor=SYSTEM, numbers=Numbers(guard_percentage=5), **scope)
        assert problem.errors[0]["field"] == "guard_percentage"


@pytest.mark.parametrize(
    ("given", "own", "told"),
    [
        ({}, {"runs_per_minute": 601}, "600 runs"),
        ({}, {"concurrent_runs": 51}, "50 runs"),
        ({"daily_tokens": 100}, {"daily_tokens": 101}, "100 tokens"),
        ({"monthly_cost": "5"}, {"monthly_cost": "5.01"}, "$5.00"),
    ],
)
def test_own_limits__wider_than_given__refused_with_what_is_given(
    limited: tenancy.Tenant, given: dict[str, Any], own: dict[str, Any], told: str
) -> None:
    services.set_limits(actor=SYSTEM, tenant_id=limited.id, numbers=Numbers(**given))
    with tenancy.use(limited):
        problem = refused(
            services.set_own_limits, actor=SYSTEM, tenant_id=limited.id, numbers=Spending(**own)
        )
    (error,) = problem.errors
    assert (error["field"], error["rule"]) == (next(iter(own)), "only_tighter")
    assert told in error["message"]
    assert not Limits.objects.filter(tenant_id=limited.id, by_tenant=True).exists()


def test_own_limits_of_an_agent__wider_than_its_default__refused(limited: tenancy.Tenant, agent: str) -> None:
    with tenancy.use(limited):
        wanted: dict[str, Any] = {"actor": SYSTEM, "tenant_id": limited.id, "agent_id": agent}
        problem = refused(services.set_own_limits, **wanted, numbers=Spending(daily_tokens=100_001))
        assert "100,000 tokens" in problem.errors[0]["message"]
        row = services.set_own_limits(**wanted, numbers=Spending(daily_tokens=100_000))
        assert row.by_tenant
        tighter = services.set_own_limits(**wanted, numbers=Spending(daily_tokens=5))
        wider = services.set_own_limits(**wanted, numbers=Spending(daily_tokens=50_000))
    assert (tighter.pk, wider.revision) == (row.pk, 3), "one's own last number is no border"


def test_write__with_a_stale_tag__refused_and_with_the_seen_one_done(limited: tenancy.Tenant) -> None:
    scope = Scope(tenant_id=limited.id)
    wanted: dict[str, Any] = {"actor": SYSTEM, "tenant_id": limited.id}
    assert services.entity_tag(services.find(scope)) == '"0"'
    problem = refused(services.set_limits, **wanted, numbers=Numbers(daily_tokens=1), match='"1"')
    assert problem.code == "precondition_failed"
    services.set_limits(**wanted, numbers=Numbers(daily_tokens=1), match='"0"')
    assert (
        refused(services.set_limits, **wanted, numbers=Numbers(), match='"0"').code == "precondition_failed"
    )
    services.set_limits(
        **wanted, numbers=Numbers(daily_tokens=2), match=services.entity_tag(services.find(scope))
    )
    services.set_limits(**wanted, numbers=Numbers(daily_tokens=3), match="*")
    found = services.find(scope)
    assert found is not None
    assert (found.daily_tokens, found.revision) == (3, 3)


def test_write__of_what_holds_already__is_no_event(limited: tenancy.Tenant) -> None:
    numbers = Numbers(daily_cost=Decimal("2.5"), breaker_share=0.25)
    for _ in range(2):
        row = services.set_limits(actor=SYSTEM, tenant_id=limited.id, numbers=numbers)
    assert row.revision == 1
    with as_platform() as connection:
        query = "SELECT action, object_id, actor FROM audit_event WHERE body::jsonb ->> 'request_id' = %s"
        found = connection.execute(query, [audit.actor().request_id]).fetchall()
    assert found == [("limits.created", "all agents", "tester")]


def test_first_write__by_many_at_once__one_row(limited: tenancy.Tenant, agent: str) -> None:
    def once(number: int) -> int:
        try:
            row = services.set_limits(
                actor=SYSTEM, tenant_id=limited.id, agent_id=agent, numbers=Numbers(daily_tokens=number)
            )
            return row.revision
        finally:
            connections.close_all()

    contexts = [copy_context() for _ in range(6)]
    with ThreadPoolExecutor(6) as together:
        found = list(together.map(lambda pair: pair[1].run(once, pair[0]), enumerate(contexts, 1)))
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert Limits.objects.filter(tenant_id=limited.id).count() == 1


def test_tenant__reads_its_limits__and_writes_only_its_own(limited: tenancy.Tenant, tenants: Tenants) -> None:
    services.set_limits(actor=SYSTEM, tenant_id=limited.id, numbers=Numbers(daily_tokens=9))
    services.set_limits(actor=SYSTEM, tenant_id=tenants["globex"].id, numbers=Numbers(daily_tokens=10))
    with tenancy.use(limited):
        assert {row.tenant_id for row in Limits.objects.all()} == {limited.id}
        assert Limits.objects.update(daily_tokens=1_000) == 0
        assert Limits.objects.all().delete()[0] == 0
    assert Limits.objects.get(tenant_id=limited.id).daily_tokens == 9
    Limits.objects.filter(tenant_id=tenants["globex"].id).delete()


async def test_registry__after_a_write__has_it(limited: tenancy.Tenant, agent: str) -> None:
    def write(**numbers: Any) -> None:
        services.set_limits(actor=SYSTEM, agent_id=agent, tenant_id=limited.id, numbers=Numbers(**numbers))

    await cache.epochs.refresh()
    assert agent not in (await registry.of(limited.id)).tenant_agents
    for value in (5, 6):
        await sync_to_async(write)(daily_tokens=value)
        assert (await registry.of(limited.id)).tenant_agents[agent].daily_tokens == value


def test_breaker__numbers_of_a_tenant__stay_with_what_only_it_runs() -> None:
    """A circuit that tenants share opens by the agent's numbers, one that agents share by the platform's."""
    rows = Rows(
        platform=Numbers(breaker_failures=6),
        agents={"a": Numbers(breaker_failures=7)},
        tenant=Numbers(breaker_failures=1),
        tenant_agents={"a": Numbers(breaker_failures=2)},
    )
    found = settle(rows, "a", 100)
    assert [each["breaker_failures"] for each in (found.conduct, found.unchanged, found.shared)] == [2, 7, 6]
    plans = [
        Plan(uuid4(), "a", [Candidate("openai", "m", Price(0, 0))], found, 100, 60, 0, customized, False)
        for customized in (True, False)
    ]
    rules = [orjson.loads(orjson.loads(plan.encoded)["rules"]) for plan in plans]
    assert [(each["own"]["failures"], each["model"]["failures"]) for each in rules] == [(2, 6), (7, 6)]

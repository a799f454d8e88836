"""The guard over HTTP: what it refuses and how it says so, what opens a circuit, and what ends a run under way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import uuid4

import httpx2 as httpx
import pytest

from agents.models import GuardEvent, ModelStop
from governance.audit.models import AuditEvent
from qualisys import cache, tenancy
from qualisys import redis as qredis
from tests.conftest import FULL
from tests.execution_log import row
from tests.guarding import limit
from tests.portal import Portal, Scripted, wait_for
from tests.sse import Stream

Tenants = dict[str, tenancy.Tenant]


@pytest.fixture
def limited(tenants: Tenants) -> Iterator[tenancy.Tenant]:
    """A tenant of one's own whose limits are taken away again."""
    tenant = tenants["globex"]
    yield tenant
    limit(tenant=tenant)


def run(client: httpx.Client, agent: Scripted, **body: Any) -> httpx.Response:
    return client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x", **body})


@contextmanager
def streamed(portal: Portal, agent: Scripted) -> Iterator[Stream]:
    """Follow a run of an agent on a connection of its own."""
    with (
        portal.client() as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        yield stream


def calls(portal: Portal, agent: Scripted) -> int:
    return int(portal.provider.stats(agent.model)["requests"])


def test_budget__used_up__refused_with_limit_use_and_the_way_out(portal: Portal, tenants: Tenants) -> None:
    """AC1 of story 6.5c: the default is a hundred runs' worth a day; the refusal says when it starts anew."""
    agent = portal.scripted("chunks=40,ptok=20", max_tokens_per_invocation=100)
    limit(agent.agent_id, daily_tokens=200)
    with portal.client() as client:
        assert [run(client, agent).status_code for _ in range(2)] == [201, 201]
        refused = run(client, agent)
        followed = client.post(f"/agents/{agent.agent_id}/stream", json={"input": "x"})
        problem = refused.json()
        shown = client.get(f"/runs/{problem['run_id']}").json()
    assert (refused.status_code, problem["code"], followed.status_code) == (429, "token_budget_exceeded", 429)
    assert (problem["limit"], problem["used"], problem["scope"], problem["period"]) == (
        200,
        120,
        "agent",
        "day",
    )
    midnight = 86_400 - time.time() % 86_400
    assert abs(int(refused.headers["Retry-After"]) - midnight) < 10
    assert calls(portal, agent) == 2
    assert (shown["status"], shown["problem"]["code"]) == ("failed", "token_budget_exceeded")
    logged = row(tenants["acme"], problem["run_id"])
    assert (logged.status, logged.error_code, logged.tokens_used) == ("refused", "token_budget_exceeded", 0)


def test_budget__nothing_configured__a_hundred_times_the_largest_run(portal: Portal) -> None:
    """AC1: `max_tokens_per_invocation` x 100; the headers tell it with every run."""
    agent = portal.scripted("chunks=3,ptok=7", max_tokens_per_invocation=1000)
    with portal.client() as client:
        answers = [run(client, agent) for _ in range(2)]
    headers = answers[1].headers
    assert headers["x-ratelimit-limit-tokens"] == "100000"
    # The first run's ten tokens are settled, and the second's reservation is counted.
    assert headers["x-ratelimit-remaining-tokens"] == str(100_000 - 10 - 1000)
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-reset-requests"].isdigit()) == (
        "600",
        True,
    )


def test_rate__exceeded__refused_until_the_minute_is_over(portal: Portal, limited: tenancy.Tenant) -> None:
    agent = portal.scripted("chunks=1")
    limit(agent.agent_id, runs_per_minute=3)
    with portal.client("globex") as client:
        answers = [run(client, agent) for _ in range(4)]
    codes = [answer.status_code for answer in answers]
    assert (codes.count(201), codes[-1]) == (3, 429)
    problem = answers[-1].json()
    assert (problem["code"], problem["scope"], problem["limit"]) == ("rate_limited", "agent", 3)
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_concurrency__reached__refused_and_free_again_after_the_end(portal: Portal) -> None:
    agent = portal.scripted("chunks=1000,interval=20")
    limit(agent.agent_id, concurrent_runs=1)
    with portal.client() as client, streamed(portal, agent) as first:
        (started,) = first.take(1)
        refused = run(client, agent)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.json()["period"] == "at_once"
        client.post(f"/runs/{started.run_id}/cancel")
        first.until("run.completed")

        def runs_again() -> bool:
            with streamed(portal, agent) as again:
                return again.status == 200

        wait_for(runs_again, 5, "a free place")


def test_money__ceiling_reached__refused_in_dollars(portal: Portal, limited: tenancy.Tenant) -> None:
    """A model without a price counts as a dear one, so no ceiling is passed unseen."""
    agent = portal.scripted("chunks=10,ptok=10", max_tokens_per_invocation=1000)
    limit(tenant=limited, daily_cost="0.0300")
    with portal.client("globex") as client:
        answers = [run(client, agent) for _ in range(80)]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused
    problem = refused[0].json()
    assert (problem["code"], problem["scope"], problem["limit"]) == ("cost_budget_exceeded", "tenant", 0.03)
    assert problem["used"] <= 0.03


def failing(portal: Portal, client: httpx.Client, agent: Scripted, times: int = 5) -> None:
    for _ in range(times):
        assert run(client, agent).status_code == 502


def test_circuit__five_failures__open_for_the_agent_and_for_no_other(
    portal: Portal, tenants: Tenants
) -> None:
    """AC3 and task 12 of story 6.5c, and the order of AC4: an open circuit is said before the budget."""
    agent, healthy = portal.scripted("status=500"), portal.scripted("chunks=1")
    with portal.client() as client, portal.client("globex") as other:
        failing(portal, client, agent)
        before = calls(portal, agent)
        refused = run(client, agent)
        elsewhere = run(other, agent)
        assert (refused.status_code, refused.json()["code"]) == (503, "agent_circuit_open")
        assert elsewhere.json()["code"] == "agent_circuit_open"
        assert 50 <= int(refused.headers["Retry-After"]) <= 60
        assert calls(portal, agent) == before
        assert run(client, healthy).status_code == 201
        breaker = client.get(f"/agents/{agent.agent_id}/circuit-breaker").json()
        assert (breaker["state"], breaker["reason"]) == ("open", "provider_error")
        assert client.get(f"/agents/{healthy.agent_id}/circuit-breaker").json()["state"] == "closed"
    assert row(tenants["acme"], refused.json()["run_id"]).status == "circuit_open"


def test_circuit__reset_by_hand__closed_at_once_and_on_record(portal: Portal) -> None:
    """AC5 of story 6.5c."""
    agent = portal.scripted("status=500,first=5")
    path = f"/admin/agents/{agent.agent_id}/circuit-breaker/reset"
    with portal.client() as client, portal.client(None) as platform:
        failing(portal, client, agent)
        assert run(client, agent).status_code == 503
        assert client.post(path, json={}).status_code == 403
        assert platform.post(path, json={"tenant": "nobody"}).status_code == 404
        answer = platform.post(path, json={"reason": "the provider is back"})
        assert (answer.status_code, answer.json()["state"]) == (200, "closed")
        assert [each["agent_id"] for each in answer.json()["closed"]] == [agent.agent_id]
        assert run(client, agent).status_code in (201, 502)
    with tenancy.use(tenancy.platform("tests")):
        (event,) = AuditEvent.objects.filter(action="circuit.reset", object_id=agent.agent_id)
    assert json.loads(event.body)["reason"] == "the provider is back"


def open_circuits(agent: Scripted) -> list[str]:
    names = [name.decode() for name in cast("set[bytes]", qredis.sync_client().smembers("circuits"))]
    return [name for name in names if agent.agent_id in name]


def test_circuit__its_time_over__one_probe_closes_it(portal: Portal) -> None:
    """AC3: half-open lets one run through, and its success closes the circuit."""
    agent = portal.scripted("status=500,first=5")
    with portal.client() as client:
        failing(portal, client, agent)
        (name,) = open_circuits(agent)
        qredis.sync_client().hset(name, "until", 1)
        assert client.get(f"/agents/{agent.agent_id}/circuit-breaker").json()["state"] == "half_open"
        assert run(client, agent).status_code == 201
        assert client.get(f"/agents/{agent.agent_id}/circuit-breaker").json()["state"] == "closed"
    wait_for(lambda: {"circuit.opened", "circuit.half_open", "circuit.closed"} <= kinds(agent), 5, "history")


def kinds(agent: Scripted) -> set[str]:
    with tenancy.use(tenancy.platform("tests")):
        return set(GuardEvent.objects.filter(agent_id=agent.agent_id).values_list("kind", flat=True))


@pytest.mark.parametrize("script", ["status=400", "status=429"])
def test_circuit__not_the_models_fault__stays_closed(portal: Portal, script: str) -> None:
    """Mistakes of the caller and a provider's rate limit are no failures."""
    agent = portal.scripted(script)
    with portal.client() as client:
        for _ in range(7):
            run(client, agent)
        assert client.get(f"/agents/{agent.agent_id}/circuit-breaker").json()["state"] == "closed"


def test_provider__limits_its_rate__is_left_alone_for_as_long_as_it_asks(portal: Portal) -> None:
    agent = portal.scripted("status=429,retry_after=30")
    with portal.client() as client:
        first, second = run(client, agent), run(client, agent)
    assert (first.status_code, first.json()["scope"]) == (429, "provider")
    assert (second.status_code, second.json()["scope"]) == (429, "provider")
    assert 20 <= int(second.headers["Retry-After"]) <= 30
    assert calls(portal, agent) == 1


def test_disabled__while_it_runs__ends_within_a_second_and_charges_what_was_used(
    portal: Portal, tenants: Tenants
) -> None:
    agent = portal.scripted("chunks=1000,interval=20")
    with portal.client(None) as platform, streamed(portal, agent) as stream:
        (started,) = stream.take(1)
        began = time.monotonic()
        assert platform.delete(f"/admin/agents/{agent.agent_id}").status_code in (200, 204)
        stream.until("run.failed")
        seconds = time.monotonic() - began
    assert seconds < (1.0 if FULL else 10)
    logged = row(tenants["acme"], started.run_id)
    assert (logged.status, logged.error_code) == ("error", "agent_not_found")
    assert logged.output_tokens > 0


def test_first_token__does_not_come__timeout_that_says_so(portal: Portal) -> None:
    agent = portal.scripted("hang=1")
    limit(agent.agent_id, first_token_seconds=1)
    with portal.client() as client:
        began = time.monotonic()
        answer = run(client, agent)
    assert (answer.status_code, answer.json()["code"]) == (504, "agent_timeout")
    assert "begin to answer" in answer.json()["detail"]
    assert 1 <= time.monotonic() - began < 10


def test_gap__in_the_middle__timeout_with_what_was_said(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted("chunks=3,interval=4000")
    limit(agent.agent_id, gap_seconds=1)
    with streamed(portal, agent) as stream:
        last = stream.until("run.failed")[-1]
    problem = last.data["problem"]
    assert (problem["code"], "stopped in the middle" in problem["detail"]) == ("agent_timeout", True)
    assert row(tenants["acme"], last.run_id).status == "timeout"


def test_cap__ignored_by_the_provider__cut_cleanly(portal: Portal) -> None:
    """A run that reaches its cap is truncated: it completes with what it has."""
    agent = portal.scripted("chunks=400,interval=5", max_tokens_per_invocation=100)
    with streamed(portal, agent) as stream:
        last = stream.until("run.completed", "run.failed")[-1]
    assert (last.name, last.data["status"]) == ("run.completed", "truncated")
    assert 0 < last.data["tokens_used"] <= 200


def test_stopped_model__refuses_runs_and_ends_those_under_way(portal: Portal) -> None:
    agent = portal.scripted("chunks=1000,interval=20")
    with tenancy.use(tenancy.platform("tests")), streamed(portal, agent) as stream:
        stream.take(1)
        stop(agent)
        last = stream.until("run.failed")[-1]
        with portal.client() as client:
            refused = run(client, agent)
    assert last.data["problem"]["code"] == "model_stopped"
    assert (refused.status_code, refused.json()["code"]) == (503, "model_stopped")


def stop(agent: Scripted) -> None:
    ModelStop.objects.create(provider="openai", model=agent.model)
    cache.bump([cache.AGENTS])


def test_shadow__decides_and_records__and_lets_the_run_through(portal: Portal, tenants: Tenants) -> None:
    """F5: the guard is rolled out by percentage of tenants; nothing else of it is off."""
    agent = portal.scripted("chunks=1", max_tokens_per_invocation=100)
    limit(agent.agent_id, daily_tokens=100)
    limit(guard_percentage=0)
    try:
        with portal.client() as client:
            answers = [run(client, agent) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        shadows = [row(tenants["acme"], answer.json()["run_id"]).shadow_code for answer in answers]
        assert shadows[1] == "token_budget_exceeded"
    finally:
        limit()


def with_fallback(portal: Portal, script: str, provider: str = "openai") -> tuple[Scripted, str]:
    """Register an agent whose own model is played by `script`, with another one behind it."""
    other = f"m-{uuid4().hex[:8]}@chunks=2"
    return portal.scripted(script, fallbacks=[{"provider": provider, "model": other}]), other


@pytest.mark.parametrize("script", ["status=429,retry_after=20", "status=500"])
def test_fallback__own_model_away__another_answers_and_says_so(
    portal: Portal, tenants: Tenants, script: str
) -> None:
    """A rate limit is answered at once by the next model; an open circuit from then on."""
    agent, other = with_fallback(portal, script)
    with portal.client() as client:
        if "500" in script:
            failing(portal, client, agent)
        answer = run(client, agent)
        again = run(client, agent)
        breaker = client.get(f"/agents/{agent.agent_id}/circuit-breaker").json()
    assert (answer.status_code, again.status_code, breaker["state"]) == (201, 201, "closed")
    assert (answer.json()["model"], answer.json()["fallback_from"]) == (other, f"openai {agent.model}")
    logged = row(tenants["acme"], answer.json()["run_id"])
    assert (logged.model, logged.fallback_from, logged.status) == (other, f"openai {agent.model}", "success")


def test_fallback__to_another_provider__only_where_the_tenant_allows_it(portal: Portal) -> None:
    agent, other = with_fallback(portal, "status=429,retry_after=20", "anthropic")
    with portal.client() as client:
        assert run(client, agent).json()["code"] == "rate_limited"
    with portal.client("acme", "owner") as owner:
        saved = owner.put(f"/tenant/agents/{agent.agent_id}/config", json={"fallbacks": "any"})
        assert saved.status_code == 200, saved.text
    with portal.client() as client:
        wait_for(lambda: run(client, agent).json().get("model") == other, 5, "the other provider's answer")


def test_refused__under_an_idempotency_key__may_be_asked_again(portal: Portal) -> None:
    """A run that never began is no answer to keep: the same key runs once the limit lets it."""
    agent, key = portal.scripted("chunks=1", max_tokens_per_invocation=100), {"Idempotency-Key": uuid4().hex}
    limit(agent.agent_id, daily_tokens=50)
    path = f"/agents/{agent.agent_id}/runs"
    with portal.client() as client:
        refused = client.post(path, json={"input": "x"}, headers=key)
        limit(agent.agent_id)
        again = client.post(path, json={"input": "x"}, headers=key)
        same = client.post(path, json={"input": "x"}, headers=key)
    assert (refused.status_code, again.status_code) == (429, 201)
    assert same.json()["run_id"] == again.json()["run_id"]
    assert calls(portal, agent) == 1

"""A run that cannot be finished says why, in the problem, in the log and in the stored run."""

from __future__ import annotations

import pytest

from qualisys import tenancy
from tests.execution_log import row
from tests.portal import Portal, Scripted
from tests.sse import Stream

FAILURES = [
    ("status=401", 503, "provider_not_configured", "error"),
    ("status=403", 503, "provider_not_configured", "error"),
    ("status=429,retry_after=7", 429, "rate_limited", "error"),
    ("status=500", 502, "provider_error", "error"),
    ("status=529,retry_after=9", 502, "provider_error", "error"),
    ("status=400,kind=context_length_exceeded", 422, "validation_error", "error"),
    ("status=404,kind=model_not_found", 502, "provider_error", "error"),
    ("garbage=0", 502, "provider_error", "error"),
    ("missing=1", 502, "provider_error", "error"),
    ("cut=2", 502, "provider_error", "error"),
    ("drop=9", 502, "provider_error", "error"),
    ("hang=1", 504, "agent_timeout", "timeout"),
]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(("script", "status", "code", "logged"), FAILURES)
def test_run__provider_fails__problem_names_the_run_and_the_log_tells(
    portal: Portal, tenants: dict[str, tenancy.Tenant],
    provider: str, script: str, status: int, code: str, logged: str,
) -> None:  # fmt: skip
    agent = portal.scripted(script, llm_provider=provider, timeout_seconds=1).agent_id
    with portal.client() as client:
        answer = client.post(f"/agents/{agent}/runs", json={"input": "hello"})
        problem = answer.json()
        run = client.get(f"/runs/{problem['run_id']}").json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert (run["status"], run["problem"]["code"]) == ("failed", code)
    found = row(tenants["acme"], problem["run_id"])
    assert (found.status, found.error_code, found.provider) == (logged, code, provider)
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("script", "seconds"), [("status=429,retry_after=7", "7"), ("status=529,retry_after=9", "9")]
)
def test_run__provider_says_when_to_come_back__passed_on(portal: Portal, script: str, seconds: str) -> None:
    with portal.client() as client:
        answer = client.post(f"/agents/{portal.scripted(script).agent_id}/runs", json={"input": "hello"})
    assert answer.headers["Retry-After"] == seconds


def test_run__provider_unreachable__provider_error(portal: Portal) -> None:
    (web,) = portal.new_webs(1, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    with portal.client(web=web) as client:
        answer = client.post(f"/agents/{portal.scripted().agent_id}/runs", json={"input": "x"})
    web.stop()
    assert (answer.status_code, answer.json()["reason"]) == (502, "unreachable")


def test_run__provider_without_a_key__not_configured(portal: Portal) -> None:
    agent = portal.scripted(llm_provider="vllm").agent_id
    with portal.client() as client:
        answer = client.post(f"/agents/{agent}/runs", json={"input": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_not_configured")


def test_stream__provider_breaks_off__keeps_what_came_and_ends_with_the_problem(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    agent = portal.scripted("chunks=9,cut=3,interval=1").agent_id
    with portal.client() as client, Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
        events = list(stream)
        run = client.get(f"/runs/{events[0].run_id}").json()
    assert (events[-1].name, events[-1].data["problem"]["code"]) == ("run.failed", "provider_error")
    assert [event.name for event in events].count("run.failed") == 1
    assert run["output"] == "0000 0001 0002 "
    assert row(tenants["acme"], run["run_id"]).output_tokens > 0


def test_run__stopped_by_max_tokens__truncated_and_a_success_in_the_log(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    schema = {"type": "object"}
    agent = portal.scripted("length=1,chunks=2", output_schema=schema)
    with portal.client() as client:
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "hello"})
    run = answer.json()
    assert (answer.status_code, run["status"], run["structured_output"]) == (201, "truncated", None)
    assert row(tenants["acme"], run["run_id"]).status == "success"
    assert portal.provider.stats(agent.model)["requests"] == 1


def test_run__prompt_of_the_agent__never_in_an_error(portal: Portal) -> None:
    secret = "The launch word of this house is peppermint and nobody may read it."
    agent: Scripted = portal.scripted("status=400,says=prompt", system_prompt=secret)
    with portal.client() as client:
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "hello"})
    assert "peppermint" not in answer.text

"""Answers held against the agent's schema: valid, fenced, repaired once, or refused with the text kept."""

from __future__ import annotations

import pytest

from qualisys import tenancy
from tests.execution_log import row
from tests.portal import Portal, Scripted
from tests.sse import Stream, text_of

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "maximum": 40}},
    "required": ["score"],
    "additionalProperties": False,
}
NOT_JSON = "This is not the answer that was asked for."


@pytest.fixture(scope="module", autouse=True)
def answers(portal: Portal) -> None:
    portal.provider.control(answers={
        "good": '{"score": 31}', "fenced": '```json\n{"score": 31}\n```', "high": '{"score": 41, "more": [1]}',
        "twice": '{"score": 1} {"score": 2}', "nan": '{"score": NaN}', "deep": "[" * 5000, "empty": " ",
    })  # fmt: skip


def scripted(portal: Portal, script: str) -> Scripted:
    return portal.scripted(script, output_schema=SCHEMA)


@pytest.mark.parametrize("name", ["high", "twice", "nan", "deep", "empty"])
def test_output__wrong_also_after_the_repair__refused_with_the_raw_text_kept(
    portal: Portal, tenants: dict[str, tenancy.Tenant], name: str
) -> None:
    agent = scripted(portal, f"named={name},ptok=3,ctok=4")
    with portal.client() as client:
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
        problem = answer.json()
        run = client.get(f"/runs/{problem['run_id']}").json()
    assert (answer.status_code, problem["code"]) == (502, "output_schema_violation")
    assert problem["errors"][0]["field"].startswith("output")
    assert run["output"] != ""
    assert (run["status"], run["structured_output"]) == ("failed", None)
    assert portal.provider.stats(agent.model)["requests"] == 2
    found = row(tenants["acme"], problem["run_id"])
    assert (found.status, found.error_code, found.tokens_used) == ("error", "output_schema_violation", 14)


def test_output__wrong_fields__are_named(portal: Portal) -> None:
    agent = scripted(portal, "named=high")
    with portal.client() as client:
        problem = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}).json()
    rules = {(error["field"], error["rule"]) for error in problem["errors"]}
    assert ("output.score", "maximum") in rules


@pytest.mark.parametrize(
    ("name", "text"), [("good", '{"score": 31}'), ("fenced", '```json\n{"score": 31}\n```')]
)
def test_output__valid__is_structured(portal: Portal, name: str, text: str) -> None:
    agent = scripted(portal, f"named={name}")
    with portal.client() as client:
        run = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}).json()
    assert (run["status"], run["structured_output"], run["output"]) == ("completed", {"score": 31}, text)
    assert portal.provider.stats(agent.model)["requests"] == 1


def test_output__wrong_first__is_repaired_with_its_faults_named_and_both_calls_charged(
    portal: Portal,
) -> None:
    agent = scripted(portal, "named=good,invalid=1,ptok=3,ctok=4")
    with portal.client() as client:
        run = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}).json()
    assert (run["status"], run["structured_output"], run["tokens_used"]) == ("completed", {"score": 31}, 14)
    *_, first, second = portal.provider.last(agent.model)["body"]["messages"]
    assert first == {"role": "assistant", "content": NOT_JSON}
    assert "not a JSON document" in second["content"]


def test_output__repaired_while_streaming__the_last_event_has_the_right_text(portal: Portal) -> None:
    agent = scripted(portal, "named=good,invalid=1")
    with (
        portal.client() as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        events = list(stream)
    assert text_of(events) == NOT_JSON
    tools = [event.data for event in events if event.name == "tool"]
    assert tools == [{"name": "repair", "state": "started"}, {"name": "repair", "state": "finished"}]
    assert (events[-1].name, events[-1].data["output"]) == ("run.completed", '{"score": 31}')


def test_output__no_tokens_left__is_not_repaired(portal: Portal) -> None:
    agent = portal.scripted("named=high,ctok=100", output_schema=SCHEMA, max_tokens_per_invocation=100)
    with portal.client() as client:
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"})
    assert answer.json()["code"] == "output_schema_violation"
    assert portal.provider.stats(agent.model)["requests"] == 1

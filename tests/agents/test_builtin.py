"""The built-in agents as data: schemas closed and honest, prompts in bounds, roles and gates as promised."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from agents.builtin import RUNNING, BuiltinAgent, load
from agents.builtin.evaluate import CASES, main
from agents.builtin.rubric import RUBRIC, judge
from agents.gates import Gates

AGENTS = {agent.agent_id: agent for agent in load()}
each_agent = pytest.mark.parametrize("agent", load(), ids=lambda agent: agent.agent_id)

#: What gates and reviewers read; the names are a promise to everything that stores answers.
READ_BY_GATES = {
    "baconsultant": ["quality.total", "stories[].quality.total", "gaps[].severity", "assumptions[]"],
    "qaconsultant": ["domain.regulated", "compliance.impacts[]", "coverage.percent", "readiness.verdict"],
    "automationconsultant": ["readiness.total", "healing[].confidence", "healing[].environment"],
    "logreader": ["patterns[].is_new"],
    "securityscanner": ["findings[].severity", "tests[].destructive"],
    "performanceagent": ["bottlenecks[].is_new"],
    "dbconsultant": ["risk.score", "etl.valid", "queries[].regression_percent"],
}


def schemas_in(schema: dict[str, Any], path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from schemas_in(part, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from schemas_in(schema["items"], f"{path}[]")


def test_load__always__seven_agents_in_the_order_of_work() -> None:
    assert [agent.agent_id for agent in load()] == [
        "baconsultant",
        "qaconsultant",
        "automationconsultant",
        "logreader",
        "securityscanner",
        "performanceagent",
        "dbconsultant",
    ]


@each_agent
def test_schema__its_own_rules__valid_closed_and_complete(agent: BuiltinAgent) -> None:
    assert jsonschema_rs.meta.is_valid(agent.output_schema)
    for path, schema in schemas_in(agent.output_schema):
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False, path
            assert set(schema["required"]) == set(schema["properties"]), path


@each_agent
def test_schema__every_field__says_what_it_means(agent: BuiltinAgent) -> None:
    for path, schema in schemas_in(agent.output_schema):
        is_item = path.endswith("[]") and schema.get("type") == "object"
        assert is_item or schema.get("description"), path


@each_agent
def test_schema__its_patterns__are_linear(agent: BuiltinAgent) -> None:
    for path, schema in schemas_in(agent.output_schema):
        pattern = schema.get("pattern", "")
        assert not re.search(r"[*+]|\(\?|\\\d", pattern), path


@each_agent
def test_schema__what_gates_read__exists_under_its_name(agent: BuiltinAgent) -> None:
    paths = {path.removeprefix("$.") for path, _ in schemas_in(agent.output_schema)}
    assert set(READ_BY_GATES[agent.agent_id]) <= paths


@each_agent
def test_prompt__its_bounds__substantial_and_within_the_limit(agent: BuiltinAgent) -> None:
    assert 4_000 <= len(agent.system_prompt) <= 9_000
    for promise in ("data", "## Never", "## Output", "invent"):
        assert promise in agent.system_prompt


@each_agent
def test_access__running_roles__are_required_roles(agent: BuiltinAgent) -> None:
    running = {role for role, access in agent.access.items() if access in RUNNING}
    assert running <= set(agent.required_roles)
    assert agent.access["owner"] == agent.access["admin"] == "full"


@each_agent
def test_gates__as_the_registry_reads_them__well_formed(agent: BuiltinAgent) -> None:
    gates = Gates.model_validate({"gates": agent.approval_gates}).gates
    assert all(gate.required == len(gate.approvers) for gate in gates if gate.approvers_all)


def test_gates__counted__fifteen_mandatory_and_ten_conditional() -> None:
    gates = [gate for agent in load() for gate in agent.approval_gates]
    assert sum(gate["mandatory"] for gate in gates) == 15
    assert sum(not gate["mandatory"] for gate in gates) == 10
    assert all(gate["condition"] for gate in gates if not gate["mandatory"])


def test_gates__client_review__waits_for_the_internal_one() -> None:
    internal, client = AGENTS["baconsultant"].approval_gates[:2]
    assert client["after"] == internal["name"]
    assert client["approvers"] == ["client_stakeholder"]


def test_matrix__manual_tester__sees_what_the_product_says() -> None:
    seen = {agent.agent_id: agent.access.get("qa_manual") for agent in load()}
    assert seen == {
        "baconsultant": "read",
        "qaconsultant": "full",
        "automationconsultant": None,
        "logreader": "read",
        "securityscanner": None,
        "performanceagent": None,
        "dbconsultant": None,
    }


def test_evaluate__without_a_key__says_so_and_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "VLLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 0
    assert "Nothing was evaluated" in capsys.readouterr().out


def test_rubric__an_empty_answer__passes_nothing_it_cannot_compute() -> None:
    assert set(RUBRIC) == set(CASES) == set(AGENTS)
    assert all(5 <= len(checks) <= 8 for checks in RUBRIC.values())
    assert not any(outcome for agent_id in AGENTS for outcome in judge(agent_id, {}, "").values())

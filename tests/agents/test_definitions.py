"""AC4 of story 6.5a, rule by rule: what a well-formed agent definition is."""

from __future__ import annotations

from typing import Any

import pytest

from agents import definitions
from qualisys.problems import Problem
from qualisys.roles import ROLES

GOOD: dict[str, Any] = {"agent_id": "release-notes", "name": "Release notes", "required_roles": ["dev"]}
PROMPT: dict[str, Any] = {"system_prompt": "You write release notes."}


def refusal(**changes: Any) -> tuple[str, str, str]:
    """The failing field, rule and message of a definition with `changes`."""
    with pytest.raises(Problem) as caught:
        definitions.parse({**GOOD, **changes})
    assert caught.value.code == "validation_error"
    error = caught.value.errors[0]
    return error["field"], error["rule"], error["message"]


@pytest.mark.parametrize(
    "agent_id",
    ["", "A", "Release", "release_notes", "release--notes", "-release", "release-", "release notes", "release/notes",
     "release\n", "ré", "x" * 101, "release.notes", 7, None],
)  # fmt: skip
def test_agent_id__not_a_slug__refused(agent_id: Any) -> None:
    assert refusal(agent_id=agent_id)[0] == "agent_id"


@pytest.mark.parametrize("agent_id", ["a", "7", "a-b", "release-notes-2", "x" * 100])
def test_agent_id__slug__accepted(agent_id: str) -> None:
    assert definitions.parse({**GOOD, "agent_id": agent_id}).agent_id == agent_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "  "), ("name", "x" * 201), ("description", "x" * 5_001), ("type", "other"),
        ("phase", "later"), ("llm_provider", ""), ("llm_provider", "nobody"), ("llm_model", ""),
        ("llm_model", "x" * 101),
        ("max_tokens_per_invocation", 99), ("max_tokens_per_invocation", 200_001), ("max_tokens_per_invocation", True),
        ("max_tokens_per_invocation", "1000"), ("timeout_seconds", 0), ("timeout_seconds", 3601), ("enabled", 1),
        ("required_roles", []), ("required_roles", ["boss"]), ("required_roles", ["platform_owner"]),
        ("required_roles", "dev"), ("access", {"boss": "full"}), ("access", {"dev": "everything"}),
        ("input_types", ["exe"]), ("tags", [""]), ("tags", ["x" * 51]), ("icon", "x" * 101), ("metadata", []),
        ("metadata", {"a": float("inf")}), ("metadata", {"a": 1e40}), ("metadata", {"\x00": 1}), ("name", "a\x00b"),
        ("description", "\ud800"), ("color", "red"),
    ],
)  # fmt: skip
def test_field__out_of_its_bounds__refused_by_name(field: str, value: Any) -> None:
    assert refusal(**{field: value})[0].split(".")[0] == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens_per_invocation", 100), ("max_tokens_per_invocation", 200_000), ("timeout_seconds", 1),
        ("timeout_seconds", 3600), ("llm_model", "any/model:with anything"), ("llm_provider", "anthropic"),
        ("llm_provider", "vllm"), ("required_roles", list(ROLES)), ("metadata", {"owner": {"team": [1, 2.5, None]}}),
    ],
)  # fmt: skip
def test_field__at_its_bounds__accepted(field: str, value: Any) -> None:
    assert getattr(definitions.parse({**GOOD, field: value}), field) == value


@pytest.mark.parametrize(
    ("fallbacks", "field"),
    [
        ([{"provider": "nobody", "model": "m"}], "fallbacks.0.provider"),
        ([{"provider": "openai"}], "fallbacks.0.model"),
        ([{"provider": "openai", "model": ""}], "fallbacks.0.model"),
        ([{"provider": "openai", "model": "m", "color": "red"}], "fallbacks.0.color"),
        ([{"provider": "openai", "model": "gpt-4o"}], "fallbacks"),
        ([{"provider": "vllm", "model": "m"}] * 2, "fallbacks"),
        ([{"provider": "vllm", "model": f"m{number}"} for number in range(6)], "fallbacks"),
        ("vllm m", "fallbacks"),
    ],
    ids=str,
)
def test_fallbacks__that_could_not_help__refused(fallbacks: Any, field: str) -> None:
    assert refusal(fallbacks=fallbacks)[0] == field


def test_fallbacks__other_models_in_order__kept() -> None:
    wanted = [{"provider": "vllm", "model": f"m{number}"} for number in range(5)]
    assert definitions.parse({**GOOD, "fallbacks": wanted}).model_dump()["fallbacks"] == wanted
    assert definitions.parse(GOOD).fallbacks == [], "nothing falls back unless somebody says so"


def test_roles_and_types__repeated_or_by_other_names__are_tidied() -> None:
    parsed = definitions.parse(
        {**GOOD, "required_roles": ["dev", "dev"], "input_types": ["markdown", "md", "text"]}
    )
    assert (parsed.required_roles, parsed.input_types) == (["dev"], ["md", "txt"])


def test_message__of_an_unknown_role__names_the_known_ones() -> None:
    assert "roles are owner, admin" in refusal(required_roles=["boss"])[2]


def test_problem__of_several_fields__names_each() -> None:
    with pytest.raises(Problem) as caught:
        definitions.parse({"agent_id": "X", "name": "", "required_roles": []})
    assert {error["field"] for error in caught.value.errors} == {"agent_id", "name", "required_roles"}


@pytest.mark.parametrize("prompt", ["", "   \n", "x" * 50_001, "a\x00b", "\ud800", None])
def test_prompt__empty_too_long_or_unstorable__refused(prompt: Any) -> None:
    with pytest.raises(Problem, match="system_prompt"):
        definitions.parse_prompt({"system_prompt": prompt})


def test_prompt__of_fifty_thousand_characters__accepted() -> None:
    assert len(definitions.parse_prompt({"system_prompt": "é" * 50_000}).system_prompt) == 50_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"}, {"type": 7}, {"properties": []}, {"required": "a"}, {"minimum": "a"}, {"pattern": "(("},
        {"$ref": "https://example.com/schema.json"}, {"$ref": "file:///etc/passwd"}, {"$ref": "#/nowhere"},
        {"pattern": "(?<=a)b(?=c)\\1"}, {"enum": "a"}, {"$schema": "https://example.com/unknown"},
    ],
)  # fmt: skip
def test_output_schema__not_a_usable_json_schema__refused(schema: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="not a valid JSON Schema") as caught:
        definitions.parse_prompt({**PROMPT, "output_schema": schema})
    assert caught.value.errors[0]["field"] == "output_schema"


@pytest.mark.parametrize(
    "schema",
    [
        {}, {"type": "object", "required": ["a"]}, {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"}, {"$schema": "http://json-schema.org/draft-07/schema#"},
    ],
)  # fmt: skip
def test_output_schema__usable__accepted(schema: dict[str, Any]) -> None:
    assert definitions.parse_prompt({**PROMPT, "output_schema": schema}).output_schema == schema


def test_pattern__built_to_run_away__is_matched_in_linear_time() -> None:
    check = definitions.compile_schema({"type": "string", "pattern": "^(a+)+$"})
    assert not check.is_valid("a" * 50_000 + "b")


@pytest.mark.parametrize(
    "gates",
    [
        [{"name": "review", "approvers": ["dev"]}, {"name": "review", "approvers": ["dev"]}],
        [{"name": "second", "approvers": ["dev"], "after": "first"}],
        [
            {"name": "a", "approvers": ["dev"], "after": "b"},
            {"name": "b", "approvers": ["dev"], "after": "a"},
        ],
        [{"name": "review", "approvers": ["dev"], "surprise": 1}],
        [{"approvers": ["dev"]}],
        [{"name": f"g{n}", "approvers": ["dev"]} for n in range(51)],
    ],
)
def test_gates__malformed_doubled_or_circular__refused(gates: list[dict[str, Any]]) -> None:
    assert refusal(approval_gates=gates)[0].startswith("approval_gates")

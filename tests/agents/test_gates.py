"""The shape of a gate."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agents.builtin.gates import GATES
from agents.gates import Gate, Gates, merge

GOOD: dict[str, Any] = {"name": "quality-review", "approvers": ["pm_csm"]}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": "Review"}, {"name": "a_b"}, {"name": "x" * 101}, {"title": "x" * 201},
        {"stage": "never"},
        {"approvers": []}, {"approvers": ["boss"]}, {"approvers": "dev"}, {"required": 0}, {"required": 11},
        {"sla_hours": 0}, {"sla_hours": 24 * 90 + 1}, {"condition": "x" * 1001},
        {"mandatory": "yes"}, {"required": True}, {"more": 1},
    ],
)  # fmt: skip
def test_gate__out_of_bounds__refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate({**GOOD, **change})


def test_gate__with_a_name_and_approvers__is_mandatory_after_the_run() -> None:
    gate = Gate.model_validate(GOOD)
    assert (gate.stage, gate.mandatory, gate.required, gate.condition) == ("after_run", True, 1, None)


def test_gates__waiting_for_one_before__accepted() -> None:
    first, second = (
        GOOD,
        {"name": "client-review", "approvers": ["client_stakeholder"], "after": "quality-review"},
    )
    assert [gate.name for gate in Gates.model_validate({"gates": [first, second]}).gates] == [
        "quality-review", "client-review",
    ]  # fmt: skip


@pytest.mark.parametrize("agent", GATES)
def test_gates__of_a_built_in_agent__are_well_formed(agent: str) -> None:
    assert len(Gates.model_validate({"gates": GATES[agent]}).gates) == len(GATES[agent])


BASE: dict[str, Any] = {
    "name": "review",
    "approvers": ["pm_csm", "qa_automation"],
    "required": 2,
    "sla_hours": 24,
    "condition": "score < 32",
}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stage": "before_run"}, "stage"), ({"mandatory": False}, "mandatory"),
        ({"condition": "score < 9"}, "condition"),
        ({"required": 1}, "2 approvals"), ({"sla_hours": 25}, "24 hours"), ({"sla_hours": None}, "24 hours"),
        ({"approvers": ["pm_csm", "dev"]}, "dev may not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)  # fmt: skip
def test_merge__a_looser_gate__refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        merge([BASE], [Gate.model_validate({**BASE, **change})])


def test_merge__where_all_must_agree__all_must_still() -> None:
    base = {**BASE, "approvers_all": True}
    for change in ({"approvers_all": False}, {"approvers": ["pm_csm"]}):
        with pytest.raises(ValueError, match="must still agree"):
            merge([base], [Gate.model_validate({**base, **change})])
    more = Gate.model_validate({**base, "approvers": [*BASE["approvers"], "dev"], "required": 3})
    assert merge([base], [more])[0]["required"] == 3


def test_merge__a_gate_that_waits_for_a_dropped_order__refused() -> None:
    first, second = GOOD, {**GOOD, "name": "second", "after": "quality-review"}
    with pytest.raises(ValueError, match="stays behind"):
        merge([first, second], [Gate.model_validate({**second, "after": None})])


def test_merge__tighter_and_more_gates__are_what_holds() -> None:
    tighter = Gate.model_validate({**BASE, "condition": None, "approvers": ["pm_csm"], "sla_hours": 8})
    extra = Gate.model_validate({"name": "legal", "approvers": ["owner"], "after": "review"})
    merged = merge([GOOD, BASE], [tighter, extra])
    assert [gate["name"] for gate in merged] == ["quality-review", "review", "legal"]
    assert (merged[1]["condition"], merged[1]["sla_hours"], merged[1]["approvers"]) == (None, 8, ["pm_csm"])


def test_merge__of_nothing__is_the_base() -> None:
    assert [gate["name"] for gate in merge([GOOD, BASE], [])] == ["quality-review", "review"]

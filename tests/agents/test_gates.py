"""The shape of a gate."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agents.builtin.gates import GATES
from agents.gates import Gate, Gates

GOOD: dict[str, Any] = {"name": "quality-review", "approvers": ["pm_csm"]}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": "Review"}, {"name": "a_b"}, {"name": "x" * 101}, {"title": "x" * 201},
        {"stage": "never"},
        {"approvers": []}, {"approvers": ["boss"]}, {"approvers": "dev"}, {"required": 0}, {"required": 11},
        {"sla_hours": 0}, {"sla_hours": 24 * 90 + 1}, {"condition": "x" * 1001}, {"mandatory": "perhaps"}, {"more": 1},
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

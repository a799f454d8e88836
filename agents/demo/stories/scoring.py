"""Scores stories on the eight dimensions by features of the text that can be counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agents.demo.stories.criteria import Criterion
from agents.demo.stories.grouping import Group
from agents.demo.stories.wording import vague_words

DIMENSIONS = (
    "clarity",
    "completeness",
    "business_value",
    "testability",
    "acceptance_criteria",
    "edge_coverage",
    "non_functional_coverage",
    "traceability",
)
PASS_MARK = 32
_FAILURE = re.compile(r"\b(?:cannot|fail|failed|not|unavailable|refuse|reject|lock|expire|instead)\b", re.I)
_HARD_CASES = re.compile(
    r"\b(?:two|same|concurrent|at once|duplicate|interrupt|already open|try again)\b", re.I
)
_MEASURED_BENEFIT = re.compile(r"\d")
#: Which dimension a critical gap pulls down, by the gap's category.
_TOUCHES = {"compliance": "non_functional_coverage", "conflict": "clarity", "missing_value": "testability"}


def score_story(group: Group, criteria: list[Criterion], qualities: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the quality object of one story; the reason names what cost points."""
    vague = [word for item in group.requirements for word, _ in vague_words(item.text)]
    assumed = sum(criterion.basis == "assumed" for criterion in criteria)
    long = any(len(item.text.split()) > 40 for item in group.requirements)
    targets = sum(row["target"] is not None for row in qualities)
    scores = {
        "clarity": 5 - min(len(vague), 3) - int(long),
        "completeness": 1
        + int(bool(group.persona) and not group.assumed_persona)
        + int(bool(group.benefit) or any(clause.condition for clause in group.clauses))
        + int(bool(_FAILURE.search(group.text)))
        + int(bool(group.limits)),
        "business_value": _business_value(group),
        "testability": max(1, round(5 * _measurable(group)) - int(bool(vague))),
        "acceptance_criteria": max(2, 5 - assumed),
        "edge_coverage": min(
            5,
            1
            + min(2, len(group.limits))
            + int(any(clause.condition for clause in group.clauses))
            + int(bool(_HARD_CASES.search(group.text))),
        ),
        "non_functional_coverage": min(5, 1 + int(bool(qualities)) + min(3, targets)),
        "traceability": _traceability(group),
    }
    return quality(scores, _reason(scores, vague, assumed))


def score_set(stories: list[dict[str, Any]], gaps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the quality object of the set: rounded means, lowered by critical gaps."""
    scores = dict.fromkeys(DIMENSIONS, 0)
    if stories:
        for name in DIMENSIONS:
            mean = sum(story["quality"][name] for story in stories) / len(stories)
            scores[name] = int(mean + 0.5)
        for item in gaps:
            if item["severity"] == "critical":
                name = _TOUCHES.get(item["category"], "completeness")
                scores[name] = max(0, scores[name] - 1)
    weakest = min(DIMENSIONS, key=lambda name: scores[name])
    critical = sum(item["severity"] == "critical" for item in gaps)
    reason = f"Weakest: {weakest.replace('_', ' ')} ({scores[weakest]} of 5)."
    if critical:
        reason += f" {critical} critical gap{'s' if critical > 1 else ''} lowered the score."
    if not stories:
        reason = "Nothing to score: no requirements were found."
    return {**quality(scores, reason), "pass_mark": PASS_MARK, "weakest_dimension": weakest}


def quality(scores: Mapping[str, int], reason: str) -> dict[str, Any]:
    """Return the scores with their sum and verdict."""
    total = sum(scores.values())
    verdict = "pass" if total >= PASS_MARK else "rework"
    return {**scores, "total": total, "verdict": verdict, "reason": reason}


def _business_value(group: Group) -> int:
    if group.benefit:
        return 5 if _MEASURED_BENEFIT.search(group.benefit) else 4
    return 2 if group.kind == "user" else 1


def _measurable(group: Group) -> float:
    """Share of requirements whose fulfilment can be observed without an opinion."""
    observable = [
        item
        for item in group.requirements
        if not vague_words(item.text)
        and (item.limits or any(clause.kind != "statement" for clause in item.clauses))
    ]
    return len(observable) / len(group.requirements)


def _traceability(group: Group) -> int:
    with_id = sum(item.has_id for item in group.requirements)
    if with_id == len(group.requirements):
        return 5
    return 4 if with_id else 3


def _reason(scores: Mapping[str, int], vague: list[str], assumed: int) -> str:
    reasons = []
    if vague:
        reasons.append(f"vague: {', '.join(dict.fromkeys(vague))}")
    if assumed:
        reasons.append(f"{assumed} of the criteria rest on an assumption")
    if scores["business_value"] <= 2:
        reasons.append("no benefit is stated")
    if scores["non_functional_coverage"] <= 2:
        reasons.append("no measurable quality target applies to it")
    if scores["edge_coverage"] <= 2:
        reasons.append("few limits or conditions are stated")
    if not reasons:
        return "No deduction worth naming."
    text = "; ".join(reasons)
    return text[:1].upper() + text[1:] + "."

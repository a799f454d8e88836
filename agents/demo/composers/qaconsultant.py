"""Stories become a strategy, checklists, Gherkin, negative and boundary cases, data, coverage, readiness."""

from __future__ import annotations

import re
from typing import Any

from agents.demo import NOTICE
from agents.demo.material import Material
from agents.demo.reading import read_sentences
from agents.demo.regulation import find_domain, find_regulations
from agents.demo.released import Story, read_stories
from agents.demo.room import fit
from agents.demo.stories.gaps import gap, numbered
from agents.demo.stories.wording import vague_words
from agents.demo.testing.cases import Case, design_cases
from agents.demo.testing.probes import boundary_cases, negative_cases
from agents.demo.testing.readiness import judge
from agents.demo.testing.testdata import synthetic_data

_PURPOSE = {
    "smoke": "First, on every build: is it worth testing at all?",
    "sanity": "After smoke: does each changed story hold together?",
    "integration": "With the other systems: do the parts agree, also when one is down?",
    "regression": "Before release: do limits and refusals still hold?",
    "usability": "With a person of the role: can they do it unaided?",
    "uat": "Last, with the client: does it serve the goal?",
}


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the test manager, for as many stories as there is room for."""
    stories = read_stories(material)
    count = len(stories)
    sizes = (count, count * 3 // 4, count // 2, count // 3, 3, 2, 1)
    return fit(lambda size: _answer(material, stories[:size], count), sizes, material.room)


def _answer(material: Material, stories: list[Story], given: int) -> dict[str, Any]:
    sentences = read_sentences(material.documents)
    regulations = find_regulations(sentences)
    cases = design_cases(stories)
    negative = negative_cases(stories)
    boundary = boundary_cases(stories)
    coverage = _coverage(stories, cases, negative, boundary)
    domain, evidence = find_domain(sentences)
    gaps = numbered(_gaps(stories, bool(boundary), given))
    readiness = judge(stories, coverage, gaps)
    return {
        "summary": _summary(material, stories, cases, coverage, readiness),
        "domain": {
            "name": domain,
            "regulated": bool(regulations),
            "evidence": [*dict.fromkeys([*(quote for _, quote in regulations), *evidence])][:3],
        },
        "compliance": {
            "impacts": [
                {
                    "regulation": rule.code,
                    "name": rule.name,
                    "reason": rule.reason,
                    "evidence": quote,
                    "stories": [story.id for story in stories],
                    "required_tests": list(rule.tests),
                }
                for rule, quote in regulations
            ]
        },
        "strategy": _strategy(stories, cases),
        "checklists": [
            {
                "type": kind,
                "purpose": purpose
                if any(case.kind == kind for case in cases)
                else f"{purpose} Nothing fits.",
                "cases": [case.as_row() for case in cases if case.kind == kind],
            }
            for kind, purpose in _PURPOSE.items()
        ],
        "features": [_feature(story) for story in stories if story.criteria],
        "negative_cases": negative,
        "boundary_cases": boundary,
        "test_data": synthetic_data(stories),
        "coverage": coverage,
        "readiness": readiness,
        "gaps": gaps,
        "assumptions": _assumptions(stories),
    }


def _strategy(stories: list[Story], cases: list[Case]) -> dict[str, Any]:
    weights = {
        "unit": sum(case.kind == "regression" for case in cases) * 2,
        "integration": sum(case.kind in {"integration", "sanity"} for case in cases) * 2,
        "end_to_end": sum(case.kind in {"smoke", "uat"} for case in cases),
        "exploratory": sum(case.kind == "usability" for case in cases),
    }
    focus = {
        "unit": "Limits and refusals, each value on both sides",
        "integration": "Rules that need storage, messages or another system",
        "end_to_end": "The main way through each story",
        "exploratory": "Keyboard, screen reader, and what nobody wrote down",
    }
    risky = sorted(stories, key=lambda story: -sum(len(item.limits) for item in story.criteria))[:3]
    return {
        "approach": (
            "Risk first: stories with the most limits and refusals get the most cases, and each fact is tested at "
            "the cheapest level that can prove it."
            if stories
            else "Nothing to test was found, so there is no approach yet."
        ),
        "in_scope": [f"{story.id} {story.title}" for story in stories],
        "out_of_scope": ["Whatever the input does not mention; see gaps"],
        "pyramid": [
            {"level": level, "share_percent": share, "focus": focus[level]}
            for level, share in _shares(weights).items()
        ],
        "entry_criteria": ["All stories are released", "The build passes the smoke list", "Test data is loaded"],
        "exit_criteria": ["0 open P1 and P2 failures", "100 % of the listed cases executed", "Coverage of criteria 90 % or more"],
        "risks": [
            {
                "risk": f"{story.id} {story.title}: a limit or refusal does not hold",
                "likelihood": "medium",
                "impact": "high",
                "response": f"Boundary and negative cases of {story.id}",
            }
            for story in risky
        ],
    }  # fmt: skip


def _shares(weights: dict[str, int]) -> dict[str, int]:
    """Return whole percentages that add up to 100."""
    total = sum(weights.values())
    if not total:
        return {"unit": 40, "integration": 30, "end_to_end": 20, "exploratory": 10}
    shares = {level: weight * 100 // total for level, weight in weights.items()}
    shares[max(shares, key=lambda level: shares[level])] += 100 - sum(shares.values())
    return shares


def _feature(story: Story) -> dict[str, Any]:
    lines = [f"Feature: {story.title or story.id}"]
    if story.persona:
        lines += [f"  As a {story.persona}", f"  I want {story.want}"]
        lines += [f"  So that {story.benefit}"] if story.benefit else []
    for criterion in story.criteria:
        label = criterion.id.rsplit("/", 1)[-1]
        lines += [
            "",
            f"  @{label}",
            f"  Scenario: {criterion.when[:90]}",
            f"    Given {criterion.given}",
            f"    When {criterion.when}",
            f"    Then {criterion.then}",
        ]
    return {"story": story.id, "title": story.title or story.id, "gherkin": "\n".join(lines)}


def _coverage(
    stories: list[Story], cases: list[Case], negative: list[dict[str, Any]], boundary: list[dict[str, Any]]
) -> dict[str, Any]:
    tracing = [(case.id, case.traces) for case in cases]
    tracing += [(row["id"], row["traces_to"]) for row in (*negative, *boundary)]
    matrix, uncovered = [], []
    for story in stories:
        for criterion in story.criteria:
            ids = [ident for ident, traces in tracing if criterion.id in traces]
            if ids:
                matrix.append({"criterion": criterion.id, "cases": ids})
            else:
                words = ", ".join(word for word, _ in vague_words(criterion.text))
                uncovered.append(f"{criterion.id}: cannot be checked by observation ('{words}')")
    total = sum(len(story.criteria) for story in stories)
    return {
        "percent": round(100 * len(matrix) / total, 1) if total else 0,
        "total_criteria": total,
        "covered_criteria": len(matrix),
        "matrix": matrix,
        "uncovered": uncovered,
    }


def _gaps(stories: list[Story], limits: bool, given: int) -> list[dict[str, Any]]:
    found = []
    for story in stories:
        if not story.benefit or "not stated" in story.benefit:
            found.append(
                gap(
                    "medium",
                    "other",
                    f"{story.id} states no benefit, so UAT has nothing to judge by.",
                    "What does the client gain from it?",
                    [story.id],
                )
            )
        if not 5 <= len(story.criteria) <= 8:
            found.append(
                gap(
                    "high",
                    "missing_value",
                    f"{story.id} has {len(story.criteria)} acceptance criteria.",
                    "Which five to eight criteria prove it done?",
                    [story.id],
                )
            )
        for criterion in story.criteria:
            for word, ask in vague_words(criterion.then)[:1]:
                words = f"{criterion.id} cannot be tested: '{word}'."
                found.append(gap("high", "ambiguity", words, ask, [criterion.id], criterion.then))
    text = " ".join(item.text for story in stories for item in story.criteria)
    if stories and not re.search(r"\bfail|unavailable|down|error|timeout\b", text, re.IGNORECASE):
        found.append(
            gap(
                "medium",
                "missing_error_handling",
                "No story says what happens when another system fails.",
                "What does the person see, and what is tried again?",
                [stories[0].id],
            )
        )
    if stories and not limits:
        found.append(
            gap(
                "medium",
                "missing_value",
                "No limit is stated anywhere.",
                "Which lengths, counts and times are allowed?",
                [stories[0].id],
            )
        )
    if given > len(stories):
        found.append(
            gap(
                "high",
                "scope",
                f"{given - len(stories)} of {given} stories do not fit into this answer.",
                "Which of them should be tested next?",
            )
        )
    if not stories:
        found.append(
            gap(
                "critical",
                "missing_data",
                "No stories and no requirements were found.",
                "Which released stories should be tested?",
            )
        )
    return found


def _assumptions(stories: list[Story]) -> list[dict[str, Any]]:
    if not stories:
        return []
    return [
        {
            "id": "ASM-001",
            "statement": "A test environment exists in which time, mail and other systems can be controlled.",
            "reason": "The input names no environment.",
            "impact_if_wrong": "Cases about durations, messages and failures have to be run by hand.",
            "source_refs": [story.id for story in stories],
        }
    ]


def _summary(
    material: Material,
    stories: list[Story],
    cases: list[Case],
    coverage: dict[str, Any],
    readiness: dict[str, Any],
) -> str:
    if not stories:
        return (
            f"{NOTICE} No stories or requirements were found in the input, so nothing can be tested and the sprint "
            "is not ready. Please give released stories with acceptance criteria."
        )
    parts = [
        NOTICE,
        f"{len(stories)} stories with {coverage['total_criteria']} acceptance criteria became {len(cases)} cases.",
        f"They cover {coverage['percent']} % of the criteria.",
        f"Readiness: {readiness['verdict'].replace('_', ' ')}.",
    ]
    if readiness["blockers"]:
        parts.append(f"First: {readiness['blockers'][0]}")
    if material.focus:
        parts.insert(1, "Narrowed down as the message asks.")
    return " ".join(parts)

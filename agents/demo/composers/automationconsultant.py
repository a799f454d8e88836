"""Test cases become scripts, a pipeline, selectors, healing proposals and a readiness score."""

from __future__ import annotations

import re
from typing import Any

from agents.demo import NOTICE
from agents.demo.material import Material
from agents.demo.room import fit
from agents.demo.scripting.casebook import TestCase, read_cases
from agents.demo.scripting.page import Element, Failure, candidates, read_elements, read_failures
from agents.demo.scripting.pipeline import write_pipeline
from agents.demo.scripting.playwright import Script, write_script
from agents.demo.stories.gaps import gap, numbered

PASS_MARK = 15
LEAST_CONFIDENCE = 0.3
_DIMENSIONS = ("stability", "testability", "data", "tooling", "ci")


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the automation architect, for as many cases as there is room for."""
    cases = read_cases(material)
    count = len(cases)
    return fit(
        lambda size: _answer(material, cases[:size], count), (count, count // 2, count // 4, 2), material.room
    )


def _answer(material: Material, cases: list[TestCase], given: int) -> dict[str, Any]:
    scripts = [write_script(case) for case in cases]
    written = [script for script in scripts if script.code]
    elements, failures = read_elements(material), read_failures(material)
    needs = list(dict.fromkeys(name for script in written for name in script.needs if ":" not in name))
    pipeline = write_pipeline(material.everything, needs)
    healing, hopeless = _healing(failures, elements)
    readiness = _readiness(material, elements, failures, written, pipeline)
    return {
        "summary": _summary(cases, written, healing, readiness),
        "framework": _framework(cases, written),
        "scripts": [_script_row(number, script) for number, script in enumerate(written, 1)],
        "pipeline": pipeline,
        "selectors": _selectors(elements),
        "healing": healing,
        "coverage": {
            "automated": [script.case.id for script in written],
            "manual": [{"case": script.case.id, "reason": script.reason} for script in scripts if not script.code],
            "gaps": [
                {"what": failure.line, "why": "No element of the snapshot resembles it.", "proposal": "Give a snapshot of the page as it is now."}
                for failure in hopeless
            ],
        },
        "readiness": readiness,
        "gaps": numbered(_gaps(material, cases, elements, needs, given)),
        "assumptions": _assumptions(cases, elements),
    }  # fmt: skip


_REJECTED = {
    "keyword_driven": "The cases are precise enough to be code; a table of keywords would add a layer.",
    "screenplay": "Few roles and short journeys do not repay its parts.",
    "page_object": "The cases name no elements, so there is nothing yet to put into page objects.",
}


def _framework(cases: list[TestCase], written: list[Script]) -> dict[str, Any]:
    exact = [script for script in written if not script.keywords]
    kinds = {script.kind for script in exact}
    reasons = [f"{len(cases)} cases, {len(exact)} of them name elements or requests exactly"]
    if len(exact) * 2 < len(written):
        pattern = "keyword_driven"
        reasons.append("Most steps are worded in the language of the field; each is bound to the page once")
    elif kinds == {"ui", "api"}:
        pattern = "hybrid"
        reasons.append("Pages and requests are tested in one suite; set-up goes through requests")
    else:
        pattern = "page_object"
        reasons.append("One application of moderate size")
    return {
        "pattern": pattern,
        "reasons": reasons,
        "rejected": [
            {"pattern": name, "reason": reason} for name, reason in _REJECTED.items() if name != pattern
        ][:2],
        "language": "typescript",
        "structure": [
            {"path": "playwright.config.ts", "purpose": "Base address from BASE_URL, traces, one retry"},
            {"path": "tests/", "purpose": "One file per case, named after it"},
            {"path": "pages/", "purpose": "Locators and keywords, each bound once"},
        ],
    }


def _script_row(number: int, script: Script) -> dict[str, Any]:
    name = re.sub(r"[^a-z0-9]+", "-", f"{script.case.id} {script.case.title}".lower()).strip("-")[:60]
    return {
        "id": f"SCR-{number:03}",
        "path": f"tests/{name}.spec.ts",
        "kind": script.kind,
        "tool": "playwright",
        "traces_to": [script.case.id],
        "code": script.code,
        "needs": list(script.needs),
    }


def _selectors(elements: list[Element]) -> list[dict[str, Any]]:
    rows = []
    for element in elements[:20]:
        locators = element.locators()
        if not locators:
            continue
        (strategy, primary), *rest = locators
        rows.append(
            {
                "element": element.name or element.attributes.get("name") or element.tag,
                "primary": primary,
                "strategy": strategy,
                "fallbacks": [locator for _, locator in rest],
                "stability": "high"
                if strategy in {"role", "label", "test_id"}
                else "medium"
                if strategy == "text"
                else "low",
                "evidence": element.markup,
            }
        )
    return rows


def _healing(failures: list[Failure], elements: list[Element]) -> tuple[list[dict[str, Any]], list[Failure]]:
    """Return the proposals, and the failures for which the snapshot offers nothing."""
    rows: list[dict[str, Any]] = []
    hopeless: list[Failure] = []
    for failure in failures:
        found = [
            pair
            for pair in candidates(failure.selector, elements)
            if pair[0] >= LEAST_CONFIDENCE and pair[1].locators()
        ]
        if not found:
            hopeless.append(failure)
            continue
        confidence, element = found[0]
        strategy, proposed = element.locators()[0]
        rows.append(
            {
                "id": f"HEAL-{len(rows) + 1:03}",
                "test": failure.case or "not stated",
                "broken": failure.selector,
                "proposed": proposed,
                "strategy": strategy,
                "confidence": confidence,
                "environment": failure.environment,
                "evidence": element.markup,
                "risk": f"If '{element.name or element.tag}' is another element than before, the test passes although the product changed.",
            }
        )  # fmt: skip
    return rows, hopeless


def _readiness(
    material: Material,
    elements: list[Element],
    failures: list[Failure],
    written: list[Script],
    pipeline: dict[str, Any],
) -> dict[str, Any]:
    text = material.everything.lower()
    named = sum(element.role is not None and bool(element.name) for element in elements)
    hooks = sum(element.test_id is not None for element in elements)
    scores = {
        "stability": (2 if failures else 3) if elements or written else 1,
        "testability": 1 + (2 if named else 0) + (1 if hooks else 0) + (1 if "api" in text and hooks else 0),
        "data": 3
        if "synthetic" in text
        else 2
        if re.search(r"test (?:data|user|account|password)", text)
        else 1,
        "tooling": 3 if "playwright" in text else 2 if written else 1,
        "ci": 3 if pipeline["system"] != "not_stated" else 1,
    }
    causes = {
        "stability": "broken selectors are reported" if failures else "the input shows no run history",
        "testability": "few elements with a role, a name or a test id were seen",
        "data": "the input does not say how tests make and remove their data",
        "tooling": "the input shows no existing runner, reports or traces",
        "ci": "secrets, environments and quarantine are not described",
    }
    total = sum(scores.values())
    return {
        **scores,
        "total": total,
        "pass_mark": PASS_MARK,
        "verdict": "ready" if total >= PASS_MARK else "not_ready",
        "reasons": [
            f"{name} {scores[name]} of 5: {causes[name]}" for name in _DIMENSIONS if scores[name] < 4
        ],
    }


def _gaps(
    material: Material, cases: list[TestCase], elements: list[Element], needs: list[str], given: int
) -> list[dict[str, Any]]:
    found = []
    if not cases:
        found.append(
            gap(
                "critical",
                "missing_data",
                "No test cases, scenarios or stories were found.",
                "Which released test cases should be automated?",
            )
        )
    if given > len(cases):
        found.append(
            gap(
                "high",
                "scope",
                f"{given - len(cases)} of {given} cases do not fit into this answer.",
                "Which of them come next?",
            )
        )
    if cases and not elements:
        found.append(
            gap(
                "high",
                "missing_data",
                "There is no DOM snapshot; locators follow the wording of the cases.",
                "Which markup do the pages have?",
                [cases[0].id],
            )
        )
    if cases and not re.search(r"https?://", material.everything):
        found.append(
            gap(
                "medium",
                "missing_value",
                "No address of the application is given.",
                "Which address should BASE_URL hold in each environment?",
                [cases[0].id],
            )
        )
    bodies = [name for name in needs if "_BODY_" in name]
    if bodies:
        found.append(
            gap(
                "medium",
                "missing_data",
                f"Request bodies are not given: {', '.join(bodies)}.",
                "Which fields does each request carry?",
                [name.split("_BODY_")[0].replace("_", "-") for name in bodies],
            )
        )
    return found


def _assumptions(cases: list[TestCase], elements: list[Element]) -> list[dict[str, Any]]:
    if not cases:
        return []
    statement = "Buttons, links, fields and headings carry the names that the cases use."
    reason = "The snapshot covers only part of the pages." if elements else "No snapshot was given."
    return [
        {
            "id": "ASM-001",
            "statement": statement,
            "reason": reason,
            "impact_if_wrong": "Locators of these scripts have to be adapted.",
            "source_refs": [case.id for case in cases],
        }
    ]


def _summary(
    cases: list[TestCase], written: list[Script], healing: list[dict[str, Any]], readiness: dict[str, Any]
) -> str:
    if not cases:
        return (
            f"{NOTICE} No test cases were found in the input, so there is nothing to automate. Please give released "
            "cases with steps, and a snapshot of the pages."
        )
    parts = [
        NOTICE,
        f"{len(written)} of {len(cases)} cases became scripts; the others stay manual, each with its reason.",
        f"Automation readiness is {readiness['total']} of 25 ({readiness['verdict'].replace('_', ' ')}).",
    ]
    if unbound := sum(script.keywords for script in written):
        parts.append(f"{unbound} scripts use keywords that have to be bound to the page first.")
    if healing:
        low = sum(row["confidence"] < 0.85 for row in healing)
        parts.append(f"{len(healing)} broken selectors have a proposal; {low} need a person's decision.")
    return " ".join(parts)

"""Requirements become stories, with coverage, scores, gaps, assumptions and risks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agents.demo import NOTICE
from agents.demo.material import Material, content_words
from agents.demo.requirements import Requirement, Source, read_source
from agents.demo.room import fit
from agents.demo.stories.criteria import Criterion, write_criteria
from agents.demo.stories.doubts import list_assumptions, list_risks
from agents.demo.stories.gaps import find_gaps
from agents.demo.stories.grouping import Group, group_requirements
from agents.demo.stories.ideas import edge_cases, negative_cases, non_functional
from agents.demo.stories.scoring import score_set, score_story

NO_BENEFIT = "the benefit is not stated in the source"

_SYSTEM_NAME = re.compile(r"\b[A-Z]{2,5}\b")
#: Capitals that name a format, a standard or a currency rather than a system.
_NOT_A_SYSTEM = re.compile(
    r"(?:AND|OR|NOT|PDF|CSV|JPEG|PNG|TLS|AES|WCAG|REST|API|JSON|XML|SMS|OTP|SSO|HTTP|HTTPS|ID|MB|"
    r"GB|KB|UTC|AA|HIPAA|GDPR|PCI|SOX|TBD|TBC|REQ|FR|NFR|US|QR|SLA|UI|UX|AC|EUR|USD|GBP)"
)
_DECISIONS = re.compile(r"\bopen (?:points|questions|issues)\b", re.IGNORECASE)

Told = list[tuple[Group, list[Criterion]]]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much an answer says, so that it fits into the room the caller gives."""

    stories: int
    criteria: int
    ideas: int
    steps: int
    text: int


#: From full to short. Stated criteria are never dropped; stories that do not fit are listed as not covered.
DETAILS = (
    Detail(16, 8, 4, 5, 200),
    Detail(16, 6, 3, 4, 90),
    Detail(16, 5, 2, 3, 60),
    Detail(12, 5, 2, 3, 60),
    Detail(8, 5, 2, 3, 60),
    Detail(5, 5, 1, 2, 40),
    Detail(2, 5, 1, 1, 30),
)


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the business analyst, as detailed as there is room for."""
    source = read_source(material)
    groups = group_requirements(source.requirements, source.cast)
    return fit(lambda detail: _answer(material, source, groups, detail), DETAILS, material.room)


def _answer(material: Material, source: Source, groups: list[Group], detail: Detail) -> dict[str, Any]:
    told: Told = [(group, write_criteria(group, detail.criteria)) for group in groups[: detail.stories]]
    stories = [
        _story(number, group, criteria, source, detail) for number, (group, criteria) in enumerate(told, 1)
    ]
    gaps = find_gaps(source, [group for group, _ in told])
    coverage = [_coverage_row(item, told, detail) for item in source.requirements]
    scores = score_set(stories, gaps)
    return {
        "summary": _summary(material, source, stories, gaps, scores, coverage),
        "source": {
            "documents": [document.name for document in material.documents],
            "requirements_found": len(source.requirements) + source.left_out,
            "requirements_covered": sum(bool(row["stories"]) for row in coverage),
        },
        "stories": stories,
        "coverage": coverage,
        "quality": scores,
        "gaps": gaps,
        "assumptions": list_assumptions(told),
        "risks": list_risks(material, source, gaps),
    }


def _story(
    number: int, group: Group, criteria: list[Criterion], source: Source, detail: Detail
) -> dict[str, Any]:
    persona = group.persona or "not stated"
    qualities = non_functional(group, source, detail.ideas)
    return {
        "id": f"US-{number:03}",
        "title": group.title,
        "kind": group.kind,
        "priority": _priority(group),
        "persona": persona,
        "intent": f"{group.title}." if group.kind == "user" else f"Rely on: {group.title}.",
        "as_a": persona,
        "i_want": group.wish,
        "so_that": group.benefit or NO_BENEFIT,
        "flow": _flow(group, detail.steps),
        "acceptance_criteria": [criterion.as_row(n) for n, criterion in enumerate(criteria, 1)],
        "edge_cases": edge_cases(group, detail.ideas),
        "negative_cases": negative_cases(group, detail.ideas),
        "non_functional": qualities,
        "dependencies": _dependencies(group, source),
        "source_refs": group.refs,
        "source_quotes": [sentence for item in group.requirements for sentence in item.sentences],
        "quality": score_story(group, criteria, qualities),
    }


def _priority(group: Group) -> str:
    if re.search(r"\b(?:shall|must|cannot|required)\b", group.text, re.IGNORECASE):
        return "must"
    modals = {clause.modal for clause in group.clauses}
    return "could" if modals and modals <= {"may", "could"} else "should"


def _flow(group: Group, steps: int) -> dict[str, Any]:
    """Tell the way through: what people and the product do; what depends on a condition is an alternative."""
    told = [(item.ref, clause) for item in group.requirements for clause in item.clauses]
    straight = [
        f"{(clause.result or clause.action)[:1].upper()}{(clause.result or clause.action)[1:]} ({ref})"
        for ref, clause in told
        if not clause.condition and clause.kind != "prohibition"
    ]
    return {
        "preconditions": [f"The {group.persona or 'person'} has reached '{group.heading or group.title}'"],
        "main": straight[:steps] or [f"{told[0][1].result} ({told[0][0]})"],
        "alternatives": [
            f"{clause.condition_word.capitalize()} {clause.condition}: {clause.result} ({ref})"
            for ref, clause in told
            if clause.condition
        ][:steps],
    }


def _dependencies(group: Group, source: Source) -> list[dict[str, str]]:
    rows = [
        {"kind": "requirement", "on": mentioned, "reason": f"{item.ref} refers to it."}
        for item in group.requirements
        for mentioned in item.mentions
    ]
    names = dict.fromkeys(
        name for name in _SYSTEM_NAME.findall(group.text) if not _NOT_A_SYSTEM.fullmatch(name)
    )
    rows += [{"kind": "system", "on": name, "reason": "The requirements name it."} for name in names]
    words = content_words(f"{group.heading} {group.text}")
    for sentence in source.sentences:
        if not _DECISIONS.search(sentence.section):
            continue
        named = any(ref in sentence.text for ref in group.refs)
        if named or len(content_words(sentence.text) & words) >= 3:
            rows.append({"kind": "decision", "on": f"line {sentence.line}", "reason": sentence.text})
    return rows[:4]


def _coverage_row(item: Requirement, told: Told, detail: Detail) -> dict[str, Any]:
    ids = [f"US-{number:03}" for number, (group, _) in enumerate(told, 1) if item in group.requirements]
    proven = any(item.ref in criterion.refs for _, criteria in told for criterion in criteria)
    status, note = "covered", None
    if not ids:
        status, note = "not_covered", "Its story does not fit into this answer."
    elif not proven:
        status, note = "partial", "Its story has no room for a criterion of its own; split the story."
    return {
        "requirement": item.ref,
        "text": item.text if len(item.text) <= detail.text else item.text[: detail.text - 3] + "...",
        "stories": ids,
        "estimated_tests": (1 + 2 * sum(limit.kind != "figure" for limit in item.limits)) if ids else 0,
        "status": status,
        "note": note,
    }


def _summary(
    material: Material,
    source: Source,
    stories: list[dict[str, Any]],
    gaps: list[dict[str, Any]],
    scores: dict[str, Any],
    coverage: list[dict[str, Any]],
) -> str:
    names = ", ".join(document.name for document in material.documents) or "the message"
    if not stories:
        return (
            f"{NOTICE} No requirements were found in {names}. A requirement says what the product must, shall, "
            "should or can do; please give a text that contains some."
        )
    critical = [item for item in gaps if item["severity"] == "critical"]
    reached = sum(story["quality"]["total"] >= scores["pass_mark"] for story in stories)
    verdict = "passes" if scores["verdict"] == "pass" else "below the mark of 32"
    parts = [
        NOTICE,
        f"{len(source.requirements)} requirements in {names} became {len(stories)} stories.",
        f"The set scores {scores['total']} of 40 ({verdict}); {reached} stories reach 32 on their own.",
        f"{len(gaps)} gaps were found, {len(critical)} of them critical.",
    ]
    if critical:
        parts.append(f"First question: {critical[0]['question']}")
    if left := sum(row["status"] == "not_covered" for row in coverage):
        parts.append(f"{left} requirements did not fit and are listed as not covered.")
    if material.follow_up:
        parts.insert(1, f'This answers the follow-up "{material.question[:120]}" from the earlier documents.')
    elif material.focus:
        parts.insert(1, "Narrowed down as the message asks.")
    return " ".join(parts)

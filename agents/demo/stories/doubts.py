"""Lists what the stories take for granted and what may go wrong with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agents.demo.material import Material
from agents.demo.requirements import Source
from agents.demo.stories.criteria import Criterion
from agents.demo.stories.grouping import Group

MOST_RISKS = 10

_INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,30}\b(?:previous|above|prior|all)\b.{0,30}\b(?:instruction|rule|prompt)|"
    r"\byou are (?:now )?an? (?:ai|assistant|language model)",
    re.IGNORECASE,
)
_CAPACITY = re.compile(r"\ballows? (?:only )?\d+ \w+ per (?:second|minute|hour)", re.IGNORECASE)
_DATE = re.compile(r"\b(?:launch|go-live|deadline|pilot)\b.{0,60}\b\d{1,2}\b", re.IGNORECASE)

#: (words of the criterion that rests on it, the assumption, what changes if it is false)
_BEHIND = (
    ("who is not", "Only the named persona may use the function.", "Access rules and their tests change."),
    (
        "a step fails",
        "A failure half-way leaves nothing half-done.",
        "Recovery has to be designed and tested.",
    ),
    ("it is submitted", "Bad input is refused with a message that names the field.", "Validation changes."),
    ("a second time", "A repeated request has no second effect.", "Duplicates have to be handled."),
    ("opened again later", "The result is kept.", "Storage and its tests change."),
)


def list_assumptions(told: Sequence[tuple[Group, list[Criterion]]]) -> list[dict[str, Any]]:
    """Return one entry for each thing that some persona or criterion takes for granted."""
    rows: list[tuple[str, str, str, list[str]]] = []
    guessed = [group for group, _ in told if group.assumed_persona]
    if guessed:
        name = guessed[0].persona or "nobody in particular"
        rows.append(
            (
                f"Where the source names no actor, the story is told for the one it mentions ({name}).",
                "These requirements speak about the product, not about a person.",
                "Persona and benefit of these stories have to be rewritten.",
                [ref for group in guessed for ref in group.refs],
            )
        )
    assumed = [criterion for _, criteria in told for criterion in criteria if criterion.basis == "assumed"]
    for mark, statement, impact in _BEHIND:
        refs = [item.refs[0] for item in assumed if mark in f"{item.given} {item.when}"]
        if refs:
            reason = "The source does not say it; criteria marked 'assumed' rest on it."
            rows.append((statement, reason, impact, refs))
    return [
        {
            "id": f"ASM-{number:03}",
            "statement": statement,
            "reason": reason,
            "impact_if_wrong": impact,
            "source_refs": list(dict.fromkeys(refs)),
        }
        for number, (statement, reason, impact, refs) in enumerate(rows, 1)
    ]


def list_risks(material: Material, source: Source, gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the risks of a source, those behind critical gaps first."""
    rows = [
        _risk(
            f"{item['description']} Stories built on it may have to be thrown away.",
            "high high",
            f"Answer before the first sprint: {item['question']}",
            item["id"],
        )
        for item in gaps
        if item["severity"] == "critical"
    ]
    for sentence in source.sentences:
        text, place = sentence.text, f"line {sentence.line}"
        if _INJECTION.search(text):
            words = f"The document contains text addressed to an AI: '{text}' It was treated as data."
            rows.append(_risk(words, "medium high", "Ask the author why it is there and remove it.", place))
        elif _CAPACITY.search(text):
            words = f"A shared capacity limit may be exceeded: '{text}'"
            advice = "Compare it with the expected load before the design is fixed."
            rows.append(_risk(words, "medium high", advice, place))
        elif _DATE.search(text):
            words = f"The date leaves little room for open decisions: '{text}'"
            rows.append(_risk(words, "medium medium", "Date every open question well before it.", place))
    if material.truncated:
        rows.append(
            _risk("Only the first part of the input was read.", "high medium", "Split the documents.")
        )
    return [{"id": f"RSK-{number:03}", **row} for number, row in enumerate(rows[:MOST_RISKS], 1)]


def _risk(description: str, likelihood_impact: str, mitigation: str, *refs: str) -> dict[str, Any]:
    likelihood, impact = likelihood_impact.split()
    return {
        "description": description,
        "likelihood": likelihood,
        "impact": impact,
        "mitigation": mitigation,
        "source_refs": list(refs),
    }

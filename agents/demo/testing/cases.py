"""Designs one case per criterion, and puts each into the checklist whose question it answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.demo.released import Criterion, Story
from agents.demo.stories.wording import vague_words

_PREFIX = {
    "smoke": "SMK",
    "sanity": "SAN",
    "integration": "INT",
    "regression": "REG",
    "usability": "USA",
    "uat": "UAT",
}
_OTHER_SYSTEM = re.compile(
    r"\be-?mail|\btext message|\bsms|\binterface|\bapi\b|\bhl7|\bwritten to|\b(?!PDF|JPEG|PNG|CSV)[A-Z]{3,5}\b"
)
_REFUSAL = re.compile(
    r"\brefus|\breject|\bdenied|\block|\bnot\b|\bfewer|\bmore than|\bexpire|\bends?\b|\binvalid", re.I
)
_SENSITIVE = re.compile(
    r"\bsign|\bpassword|\baccess|\bpay|\bdelet|\bmalware|\bhealth|\bresult|\bconsent", re.I
)


@dataclass(frozen=True, slots=True)
class Case:
    """A manual test case of one checklist."""

    id: str
    kind: str
    title: str
    priority: str
    preconditions: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]
    traces: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        """Return the case in the shape of the schema."""
        return {
            "id": self.id,
            "title": self.title,
            "priority": self.priority,
            "preconditions": list(self.preconditions),
            "steps": [{"action": action, "expected": expected} for action, expected in self.steps],
            "data": ["Test person"],
            "traces_to": list(self.traces),
        }


def design_cases(stories: list[Story]) -> list[Case]:
    """Return the cases of all stories. A criterion that nobody can observe gets none."""
    numbers: Counter[str] = Counter()
    cases: list[Case] = []
    for story in stories:
        for kind, draft in _drafts(story):
            numbers[kind] += 1
            ident = f"{_PREFIX[kind]}-{numbers[kind]:03}"
            cases.append(Case(ident, kind, *draft))
    return cases


Draft = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]]


def _drafts(story: Story) -> Iterator[tuple[str, Draft]]:
    testable = [item for item in story.criteria if not vague_words(item.then)]
    for index, criterion in enumerate(testable):
        kind = _kind(criterion, index)
        title = f"{_sentence(criterion.when)}: {criterion.then}"[:120]
        steps = ((_sentence(criterion.when), _sentence(criterion.then)),)
        yield kind, (title, _priority(kind, criterion), (_sentence(criterion.given),), steps, (criterion.id,))
    if not testable:
        return
    who = story.persona or "person of the role"
    goal = story.title or story.want
    yield (
        "usability",
        (
            f"{goal}: unaided, by keyboard and with a screen reader",
            "P3",
            (f"A {who} who has not seen the function before",),
            (
                (
                    f"The {who} is asked to reach the goal: {goal}",
                    "They reach it without help and without a mouse",
                ),
            ),
            (story.id,),
        ),
    )
    benefit = story.benefit or "the goal of the story is reached"
    yield (
        "uat",
        (
            f"{goal}, from the client's point of view",
            "P2",
            (f"A {who} with realistic synthetic data",),
            (
                *((_sentence(item.when), _sentence(item.then)) for item in testable[:2]),
                ("The client compares the outcome with the goal", f"It serves the goal: {benefit}"),
            ),
            (story.id, testable[0].id),
        ),
    )


def _kind(criterion: Criterion, index: int) -> str:
    if _OTHER_SYSTEM.search(criterion.then):
        return "integration"
    if index == 0:
        return "smoke"
    return "regression" if _REFUSAL.search(f"{criterion.when} {criterion.then}") else "sanity"


def _priority(kind: str, criterion: Criterion) -> str:
    if kind == "smoke":
        return "P1"
    if _SENSITIVE.search(criterion.text) and kind == "regression":
        return "P1" if re.search(r"\block|malware|access|password", criterion.text, re.I) else "P2"
    return "P3" if kind == "regression" else "P2"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

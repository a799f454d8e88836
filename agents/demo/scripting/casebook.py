"""Reads test cases: the test manager's JSON, Markdown with numbered steps, Gherkin, or stories."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agents.demo.material import Material
from agents.demo.reading import find_ids, read_blocks
from agents.demo.released import read_stories
from agents.demo.structured import find_json

MAX_CASES = 40
MAX_STEP = 600
_ARROW = re.compile(r"\s*(?:->|=>|→|⇒)\s*")
_CASE_ID = re.compile(r"\b(?:TC|SMK|SAN|INT|REG|USA|UAT|E2E|API|UI|TEST)-\d{1,5}\b")
_SCENARIO = re.compile(r"^[ \t]*Scenario(?: Outline)?:\s*(.{1,200})$", re.MULTILINE)
_GHERKIN_STEP = re.compile(r"^\s*(Given|When|Then|And|But)\s+(.{1,300})$")
_STORY = re.compile(r"^Story:\s*(\S+)", re.IGNORECASE)


@dataclass
class TestCase:
    """A test case as an automation engineer receives it; steps are (action, expected)."""

    __test__ = False

    id: str
    title: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Title and steps as one text."""
        return " ".join([self.title, *(f"{action} {expected}" for action, expected in self.steps)])


def read_cases(material: Material) -> list[TestCase]:
    """Return the test cases of the material, at most `MAX_CASES`. Stories serve when there are no cases."""
    cases = [*_from_json(find_json(material)), *_from_markdown(material)] or list(_from_gherkin(material))
    cases = cases or list(_from_stories(material))
    return material.narrow(cases, lambda case: f"{case.id} {case.text}")[:MAX_CASES]


def _from_json(values: list[Any]) -> Iterator[TestCase]:
    for value in values:
        lists = value.get("checklists") if isinstance(value, dict) else None
        for checklist in lists if isinstance(lists, list) else []:
            rows = checklist.get("cases") if isinstance(checklist, dict) else None
            for row in rows if isinstance(rows, list) else []:
                if isinstance(row, dict):
                    yield _json_case(row)


def _json_case(row: dict[str, Any]) -> TestCase:
    steps = row.get("steps")
    pairs = [
        (str(step.get("action") or "")[:MAX_STEP], str(step.get("expected") or "")[:MAX_STEP])
        for step in (steps if isinstance(steps, list) else [])
        if isinstance(step, dict)
    ]
    traces = row.get("traces_to")
    listed = [str(item) for item in traces] if isinstance(traces, list) else []
    return TestCase(str(row.get("id") or "TC-001"), str(row.get("title") or "untitled"), pairs, listed)


def _from_markdown(material: Material) -> Iterator[TestCase]:
    for document in material.documents:
        current: TestCase | None = None
        for block in read_blocks(document.text):
            if block.kind == "heading":
                if current and current.steps:
                    yield current
                found = _CASE_ID.search(block.text)
                title = re.sub(r"\(P\d\)", "", block.text.replace(found.group(), "")) if found else ""
                current = TestCase(found.group(), title.strip(" :-–—")) if found else None
            elif current and block.kind == "item":
                action, *expected = _ARROW.split(block.text[:MAX_STEP], maxsplit=1)
                current.steps.append((action.strip(), expected[0].strip() if expected else ""))
            elif current and (story := _STORY.match(block.text)):
                current.traces = find_ids(block.text) or [story.group(1)]
        if current and current.steps:
            yield current


def _from_gherkin(material: Material) -> Iterator[TestCase]:
    number = 0
    for document in material.documents:
        pieces = _SCENARIO.split(document.text)
        for title, body in zip(pieces[1::2], pieces[2::2], strict=False):
            number += 1
            yield TestCase(f"TC-{number:03}", title.strip(), _gherkin_steps(body))


def _gherkin_steps(body: str) -> list[tuple[str, str]]:
    steps: list[tuple[str, str]] = []
    word = "Given"
    for line in body.split("\n"):
        if found := _GHERKIN_STEP.match(line):
            word = found.group(1) if found.group(1) not in {"And", "But"} else word
            if word == "Then" and steps:
                action, expected = steps[-1]
                steps[-1] = (action, f"{expected}; {found.group(2)}" if expected else found.group(2))
            else:
                steps.append((found.group(2), ""))
    return steps


def _from_stories(material: Material) -> Iterator[TestCase]:
    for number, story in enumerate(read_stories(material), 1):
        steps = [(item.when, item.then) for item in story.criteria[:4]]
        if steps:
            yield TestCase(f"TC-{number:03}", story.title, steps, [story.id])

"""Reads user stories: the analyst's JSON, Markdown with criteria, or plain requirements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agents.demo.limits import Limit, find_limits
from agents.demo.material import Material
from agents.demo.reading import find_ids, read_blocks
from agents.demo.requirements import read_source
from agents.demo.stories.criteria import write_criteria
from agents.demo.stories.grouping import group_requirements
from agents.demo.structured import find_json

MAX_STORIES = 20
_AS_A = re.compile(
    r"\bAs an?\s+(?P<who>.{2,60}?),?\s+I\s+(?:want|need|would like)\s+(?P<want>.{3,300}?)"
    r"(?:,?\s+so that\s+(?P<why>.{3,300}?))?[.]?$",
    re.IGNORECASE | re.DOTALL,
)
_GIVEN = re.compile(
    r"^(?:(?P<id>[A-Z]{1,4}-?\d{1,3})\s*[:.]?\s*)?\**Given\**\s+(?P<given>.{3,300}?),?\s+\**when\**\s+"
    r"(?P<when>.{3,300}?),?\s+\**then\**\s+(?P<then>.{3,400})$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """An acceptance criterion with its full id, for example US-001/AC-2."""

    id: str
    given: str
    when: str
    then: str

    @property
    def text(self) -> str:
        """The criterion in one line."""
        return f"Given {self.given}, when {self.when}, then {self.then}"

    @property
    def limits(self) -> list[Limit]:
        """The quantities it names."""
        return find_limits(f"{self.given}, when {self.when}, then {self.then}")


@dataclass
class Story:
    """A user story as testers receive it."""

    id: str
    title: str
    persona: str = ""
    want: str = ""
    benefit: str = ""
    criteria: list[Criterion] = field(default_factory=list)


def read_stories(material: Material) -> list[Story]:
    """Return the stories of the material, at most `MAX_STORIES`; plain requirements are grouped into some."""
    stories = [*_from_json(find_json(material)), *_from_markdown(material)] or _from_requirements(material)
    told = material.narrow(stories, lambda story: f"{story.id} {story.title} {story.want}")
    return told[:MAX_STORIES]


def _from_json(values: list[Any]) -> Iterator[Story]:
    for value in values:
        listed = value.get("stories") if isinstance(value, dict) else None
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, dict):
                yield _json_story(item)


def _json_story(item: dict[str, Any]) -> Story:
    def text(name: str) -> str:
        return str(item.get(name) or "")

    story = Story(text("id") or "US-001", text("title"), text("as_a"), text("i_want"), text("so_that"))
    criteria = item.get("acceptance_criteria")
    for number, row in enumerate(criteria if isinstance(criteria, list) else [], 1):
        if isinstance(row, dict):
            parts = (str(row.get(name) or "") for name in ("given", "when", "then"))
            story.criteria.append(Criterion(f"{story.id}/{row.get('id') or f'AC-{number}'}", *parts))
    return story


def _from_markdown(material: Material) -> list[Story]:
    stories: list[Story] = []
    for document in material.documents:
        title, current = "", None
        for block in read_blocks(document.text):
            if block.kind == "heading":
                title, current = block.text, current if current and not find_ids(block.text) else None
            elif told := _AS_A.search(block.text[:700]):
                current = _markdown_story(title, told, len(stories) + 1)
                stories.append(current)
            elif current and (found := _GIVEN.match(block.text[:900])):
                ident = found.group("id") or f"AC-{len(current.criteria) + 1}"
                then = found.group("then").rstrip(".")
                criterion = Criterion(
                    f"{current.id}/{ident}", found.group("given"), found.group("when"), then
                )
                current.criteria.append(criterion)
    return [story for story in stories if story.criteria]


def _markdown_story(heading: str, told: re.Match[str], number: int) -> Story:
    ids = find_ids(heading)
    ident = ids[0] if ids else f"US-{number:03}"
    want = told.group("want").strip()
    title = heading.replace(ident, "").strip(" :-–—") if ids else want[:80]
    return Story(ident, title, told.group("who").strip(), want, (told.group("why") or "").strip())


def _from_requirements(material: Material) -> list[Story]:
    source = read_source(material)
    stories = []
    for number, group in enumerate(group_requirements(source.requirements, source.cast), 1):
        ident = f"US-{number:03}"
        rows = [
            Criterion(f"{ident}/AC-{index}", item.given, item.when, item.then)
            for index, item in enumerate(write_criteria(group), 1)
            if item.basis != "assumed"
        ]
        stories.append(Story(ident, group.title, group.persona or "", group.wish, group.benefit or "", rows))
    return stories

"""Groups requirements into stories: one persona, one section, one goal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.demo.grammar import Clause, lower_first
from agents.demo.limits import Limit
from agents.demo.personas import Cast
from agents.demo.requirements import Requirement

#: A story with more requirements than this is cut in two: it would not fit a sprint.
MAX_GROUP = 7
_NUMBERING = re.compile(r"^[\d.]+\s+")
_REACTION = re.compile(r",?\s+and\s+(?:the|it)\s+\w+\s+(?:shall|must|should|will)\s", re.IGNORECASE)
_INNER_MODAL = re.compile(r"\band (?:must|shall|should|will)\b", re.IGNORECASE)
_TITLE_WORDS = 9
_TITLE_END = re.compile(
    r"[,;]|\s(?:with|within|by|up to|so that|for up|from|while|that|which|who|when|and the)\s"
)
QUALITY_SECTION = re.compile(
    r"\b(?:quality|non-?functional|performance|speed|availab|security|privacy|accessib|reliab|compliance|"
    r"interfaces?|integration|operations?|maintain|scalab|architecture|technical)",
    re.IGNORECASE,
)


@dataclass
class Group:
    """Requirements that become one story.

    `assumed_persona`: the source names nobody. `alone`: no other story comes from its section.
    """

    section: str
    persona: str | None
    requirements: list[Requirement] = field(default_factory=list)
    assumed_persona: bool = False
    alone: bool = False

    @property
    def kind(self) -> str:
        """Whether a person gets something done, or other stories rest on this one."""
        acts = any(clause.kind in {"ability", "story"} for clause in self.clauses)
        return "user" if acts or (self.persona and not QUALITY_SECTION.search(self.section)) else "enabler"

    @property
    def clauses(self) -> list[Clause]:
        """The parts of every sentence of the group."""
        return [clause for requirement in self.requirements for clause in requirement.clauses]

    @property
    def limits(self) -> list[tuple[Requirement, Limit]]:
        """Every quantity with the requirement that states it."""
        return [(item, limit) for item in self.requirements for limit in item.limits]

    @property
    def refs(self) -> list[str]:
        """The requirements' ids."""
        return [item.ref for item in self.requirements]

    @property
    def text(self) -> str:
        """All sentences as one text."""
        return " ".join(item.text for item in self.requirements)

    @property
    def lead(self) -> Clause:
        """The sentence that says best what the story is about."""
        return next((c for c in self.clauses if c.kind in {"story", "ability"}), self.clauses[0])

    @property
    def benefit(self) -> str | None:
        """The stated benefit, if there is one."""
        return next((clause.benefit for clause in self.clauses if clause.benefit), None)

    @property
    def heading(self) -> str:
        """The section's name without its number."""
        return _NUMBERING.sub("", self.section).strip()

    @property
    def abilities(self) -> list[str]:
        """What people can do, as verb phrases."""
        found = [clause.action for clause in self.clauses if clause.kind in {"ability", "story"}]
        return [_REACTION.split(action, maxsplit=1)[0] for action in found]

    @property
    def title(self) -> str:
        """What the person does; the section's name where it says it better."""
        short = (
            " ".join(_TITLE_END.split(self.abilities[0])[0].split()[:_TITLE_WORDS]) if self.abilities else ""
        )
        led = self.clauses[0].kind in {"story", "ability"} and len(self.abilities) == 1 and " " in short
        general = self.heading and self.alone and not led
        if short and " " not in short:
            short = " ".join(self.abilities[0].split()[:_TITLE_WORDS])
        words = self.heading if general or not short else short
        words = words or " ".join(self.clauses[0].subject.split()[:_TITLE_WORDS])
        return words[:1].upper() + words[1:]

    @property
    def wish(self) -> str:
        """The capability, completing 'I want ...'."""
        if self.abilities:
            return " and ".join(f"to {_INNER_MODAL.sub('and', action)}" for action in self.abilities[:2])
        clause = self.lead
        return (
            f"that {lower_first(clause.subject)}" if clause.kind == "statement" else f"that {clause.result}"
        )


def group_requirements(requirements: Iterable[Requirement], cast: Cast) -> list[Group]:
    """Return the groups in reading order."""
    sections: dict[str, list[Requirement]] = {}
    for requirement in requirements:
        sections.setdefault(requirement.section, []).append(requirement)
    groups: list[Group] = []
    for section, members in sections.items():
        for group in _by_persona(section, members):
            groups.extend(_cut(group))
    per_section = Counter(group.section for group in groups)
    for group in groups:
        group.alone = per_section[group.section] == 1
        if group.persona is None:
            mentioned = cast.find(group.text)
            group.assumed_persona = mentioned is None or group.kind == "enabler"
            group.persona = mentioned or cast.usual
    return groups


def _by_persona(section: str, members: list[Requirement]) -> list[Group]:
    """Follow the people who act; statements about the product belong to whoever acted last."""
    groups: list[Group] = []
    leading: list[Requirement] = []
    current: Group | None = None
    for requirement in members:
        acting = next((c.persona for c in requirement.clauses if c.kind in {"ability", "story"}), None)
        if acting and (current is None or current.persona != acting):
            current = next((group for group in groups if group.persona == acting), None)
            if current is None:
                current = Group(section, acting, leading)
                groups.append(current)
                leading = []
        (current.requirements if current else leading).append(requirement)
    if leading:
        groups.append(Group(section, None, leading))
    return groups


def _cut(group: Group) -> list[Group]:
    count = -(-len(group.requirements) // MAX_GROUP)
    size = -(-len(group.requirements) // count)
    return [
        Group(group.section, group.persona, group.requirements[start : start + size])
        for start in range(0, len(group.requirements), size)
    ]

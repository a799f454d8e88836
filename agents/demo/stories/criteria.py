"""Writes the acceptance criteria of a story: what the source states first, then what follows from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agents.demo.grammar import Clause, conjugate, lower_first, negate
from agents.demo.limits import Limit
from agents.demo.requirements import Requirement
from agents.demo.stories.grouping import Group

FEWEST, MOST = 5, 8
_TAIL = re.compile(r"^(?P<result>.{8,}?)\s(?:when|if|once|whenever)\s(?P<condition>.{4,})$", re.IGNORECASE)
#: What can be observed when an action succeeds, by its verb; anything else is "carried out".
_OUTCOMES = {
    "search": "exactly the entries that match are shown",
    "find": "exactly the entries that match are shown",
    "filter": "exactly the entries that match are shown",
    "see": "it is shown, complete and up to date",
    "view": "it is shown, complete and up to date",
    "read": "it is shown, complete and up to date",
    "download": "the file arrives complete and opens",
    "export": "the file arrives complete and opens",
    "upload": "the file is stored and can be opened again",
    "register": "the account exists and belongs to them alone",
    "send": "it is delivered once, and they see that it was sent",
    "delete": "it is gone for everybody, and they see that it is done",
    "move": "the new state is shown, and the old one is gone",
    "cancel": "it is cancelled, and they see that it is done",
    "release": "it is visible to those it is meant for",
    "answer": "the answer reaches the person who asked",
}
_DONE = "this is carried out, and they see that it is done"
_REACTION = re.compile(r",\s+and\s+(?=(?:the|it|they)\s)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One acceptance criterion before it is numbered."""

    given: str
    when: str
    then: str
    basis: str
    refs: tuple[str, ...]

    def as_row(self, number: int) -> dict[str, Any]:
        """Return the criterion in the shape of the schema."""
        return {
            "id": f"AC-{number}",
            "given": self.given,
            "when": self.when,
            "then": self.then,
            "basis": self.basis,
            "source_refs": list(self.refs),
        }


def write_criteria(group: Group, most: int = MOST) -> list[Criterion]:
    """Return five to eight criteria: all stated ones, derived ones up to `most`, assumed ones up to five."""
    who = f"a {group.persona}" if group.persona else "a person using the product"
    who = re.sub(r"^a (?=[aeio])", "an ", who)
    stated = [_stated(requirement, clause, who, group) for requirement, clause in _clauses(group)]
    criteria = stated[:MOST]
    for derived in (*_from_limits(group), *_from_conditions(group)):
        if len(criteria) >= most:
            break
        criteria.append(derived)
    for assumed in _assumed(group, who):
        if len(criteria) >= FEWEST:
            break
        criteria.append(assumed)
    return criteria


def _clauses(group: Group) -> list[tuple[Requirement, Clause]]:
    return [(item, clause) for item in group.requirements for clause in item.clauses]


def _stated(requirement: Requirement, clause: Clause, who: str, group: Group) -> Criterion:
    refs = (requirement.ref,)
    if clause.kind in {"ability", "story"}:
        return _ability(clause, who, refs)
    if clause.kind == "prohibition" and clause.persona:
        return Criterion(
            who,
            f"they try to {clause.action}",
            "this is refused with the reason, and nothing is changed",
            "stated",
            refs,
        )
    result, when = clause.result, f"they use it in the situation of {requirement.ref}"
    if clause.condition:
        when = _trigger(clause.condition_word, clause.condition)
    elif tail := _TAIL.match(result):
        result, when = tail.group("result"), tail.group("condition")
    place = f' in "{group.heading}"' if group.heading else ""
    return Criterion(f"{who}{place}", when, lower_first(result.rstrip(" ,")), "stated", refs)


def _ability(clause: Clause, who: str, refs: tuple[str, ...]) -> Criterion:
    given = f"{who}, {clause.condition_word} {clause.condition}" if clause.condition else who
    action = conjugate(clause.action, plural=True)
    action, *reaction = _REACTION.split(action, maxsplit=1)
    then = reaction[0] if reaction else _OUTCOMES.get(action.split(" ")[0].lower(), _DONE)
    return Criterion(given, f"they {action}", then, "stated", refs)


def _trigger(word: str, condition: str) -> str:
    if word in {"when", "whenever", "if", "once", "where", "in case"}:
        return lower_first(condition)
    if word == "after" and condition[:1].isdigit():
        return f"{condition} have happened"
    return f"the moment is {word} {lower_first(condition)}"


def _from_limits(group: Group) -> list[Criterion]:
    """Both sides of every stated limit."""
    conditions = " ".join(clause.condition.lower() for clause in group.clauses if clause.condition)
    found: dict[tuple[str, str], Criterion] = {}
    for requirement, limit in group.limits:
        phrase = limit.phrase.lower()
        then = _at_condition(limit, conditions) if phrase in conditions else _at_limit(requirement, limit)
        if then:
            given = f"the limit '{limit.phrase}' of {requirement.ref}"
            criterion = Criterion(given, then[0], then[1], "derived", (requirement.ref,))
            found.setdefault((requirement.ref, phrase), criterion)
    return list(found.values())


def _at_limit(requirement: Requirement, limit: Limit) -> tuple[str, str] | None:
    """Return when and then for a limit that something has to keep."""
    on, beyond = limit.amount(limit.value), limit.amount(limit.value + limit.step)
    short = limit.amount(max(limit.value - limit.step, 0))
    if limit.kind == "duration":
        return (
            f"{on} have passed",
            f"what {requirement.ref} promises for this time ends; after {short} it held",
        )
    if limit.deadline:
        return "the time is measured", f"{on} still passes and {beyond} fails"
    # "more than 100" in a plain statement is a condition as often as a limit: only a person can tell.
    if limit.kind == "max" or (limit.kind == "min" and not limit.exclusive):
        inside, outside = _sides(limit)
        return f"{inside} and then {outside} are tried", f"{inside} is accepted and {outside} is refused"
    return None


def _sides(limit: Limit) -> tuple[str, str]:
    """Return the last value within a limit and the first one outside."""
    probes = limit.probes() if limit.kind == "max" else list(reversed(limit.probes()))
    inside = [value for value, within in probes if within][-1]
    return inside, next(value for value, within in probes if not within)


def _at_condition(limit: Limit, conditions: str) -> tuple[str, str] | None:
    """Return when and then for a limit that decides whether a rule applies."""
    if limit.kind not in {"max", "min"} or re.search(r"\bnot\b", conditions):
        return None
    inside, outside = _sides(limit)
    return f"{inside} and then {outside} occur", f"the rule applies at {inside} and not at {outside}"


def _from_conditions(group: Group) -> list[Criterion]:
    return [
        Criterion(
            f"all as in {requirement.ref}",
            f"{negate(lower_first(clause.condition))}",
            f"the consequence named in {requirement.ref} does not occur",
            "derived",
            (requirement.ref,),
        )
        for requirement, clause in _clauses(group)
        if clause.condition
    ]


def _assumed(group: Group, who: str) -> list[Criterion]:
    goal = lower_first(group.title)
    lead = (group.refs[0],)
    denied = Criterion(
        f"a person who is not {who}" if group.persona else "a person without permission",
        f"they reach the function '{goal}'",
        "access is refused and nothing is disclosed",
        "assumed",
        lead,
    )
    broken = Criterion(
        f"'{goal}' in progress",
        "a step fails half-way",
        "nothing is left half-done, and the person is told what to do next",
        "assumed",
        lead,
    )
    repeated = Criterion(
        f"'{goal}' carried out once",
        "the same request arrives a second time",
        "the effect is there once",
        "assumed",
        lead,
    )
    wrong = Criterion(
        f"input for '{goal}' that is empty or malformed",
        "it is submitted",
        "it is refused with a message that names the field and the rule",
        "assumed",
        lead,
    )
    kept = Criterion(
        f"'{goal}' carried out",
        "the page is opened again later",
        "the result is still there, unchanged",
        "assumed",
        lead,
    )
    return [denied, broken, wrong, repeated, kept]

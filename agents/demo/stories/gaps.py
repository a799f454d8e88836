"""Finds what requirements leave open. Every gap quotes the words that show it, or names the absence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agents.demo.reading import Sentence, find_ids
from agents.demo.requirements import Requirement, Source
from agents.demo.stories.grouping import Group
from agents.demo.stories.ideas import quality_of
from agents.demo.stories.wording import is_open, vague_words

Gap = dict[str, Any]
ORDER = {"critical": 0, "high": 1, "medium": 2, "low": 3}
MOST = 24

_LAW = re.compile(r"\b(?:HIPAA|GDPR|PCI[ -]?DSS|SOX)\b")
_COMPLY = re.compile(r"\b(?:comply|compliant|conform|in accordance|meet)\b", re.IGNORECASE)
_CONFLICT = re.compile(
    r"\b(?:contradict\w*|conflict\w*|inconsistent|not been updated|has asked for|instead of the)\b", re.I
)
_UNMANNED = re.compile(r"\b(?:queue|escalat\w+|manual(?:ly)? review\w*|handled manually|forwarded)\b", re.I)
_NEEDED = {
    "performance": "response time or load",
    "availability": "availability, backup or recovery",
    "security": "security",
    "privacy": "privacy or retention of data",
    "accessibility": "accessibility",
}


def gap(
    severity: str,
    category: str,
    description: str,
    question: str,
    refs: Sequence[str] = (),
    quote: str | None = None,
) -> Gap:
    """Return a gap without its number."""
    return {
        "severity": severity,
        "category": category,
        "description": description,
        "question": question,
        "source_refs": list(refs),
        "quote": quote,
    }


def numbered(gaps: list[Gap]) -> list[Gap]:
    """Return the gaps most severe first, numbered, at most `MOST`."""
    ranked = sorted(gaps, key=lambda item: ORDER[item["severity"]])[:MOST]
    return [{"id": f"GAP-{number:03}", **item} for number, item in enumerate(ranked, 1)]


def find_gaps(source: Source, groups: list[Group]) -> list[Gap]:
    """Return the gaps of a source, numbered."""
    found: list[Gap] = []
    for requirement in source.requirements:
        found.extend(_of_requirement(requirement, source))
    found.extend(_of_remarks(source))
    found.extend(_absent(source))
    found.extend(_of_groups(groups))
    if source.left_out:
        words = f"{source.left_out} further requirements are beyond the length of one answer."
        found.append(gap("high", "scope", words, "Which part of the document comes first?"))
    return numbered(found)


def _of_requirement(requirement: Requirement, source: Source) -> list[Gap]:
    refs, text = [requirement.ref], requirement.text
    found: list[Gap] = []
    if (law := _LAW.search(text)) and _COMPLY.search(text):
        words = f"{law.group()} is demanded as a whole; no safeguard, record or owner is named that could be built or tested."
        ask = f"Which safeguards of {law.group()} apply to this product, and who accepts the evidence?"
        found.append(gap("critical", "compliance", words, ask, refs, requirement.sentences[0]))
    for word, ask in vague_words(text)[:2]:
        must = bool(re.search(r"\b(?:must|shall)\b", text))
        severity = "high" if must or is_open(word) else "medium"
        category = "compliance" if "longer" in word else "ambiguity"
        words = f"'{word}' can be read in several ways; nobody can test it."
        found.append(gap(severity, category, words, ask, refs, _quoting(requirement, word)))
    if (queue := _UNMANNED.search(text)) and not source.cast.find(text[queue.start() :]):
        words = f"Nobody is named who works on what ends in '{queue.group()}', nor by when."
        ask = "Which role handles it, within which time, and who notices when it grows?"
        found.append(gap("high", "missing_owner", words, ask, refs, requirement.sentences[0]))
    if not requirement.has_id and any(item.has_id for item in source.requirements):
        words = "This demand carries no id, so nothing can be traced to it."
        ask = "Is it a requirement, and which id does it get?"
        found.append(gap("low", "other", words, ask, refs, requirement.sentences[0]))
    return found


def _quoting(requirement: Requirement, word: str) -> str:
    return next(
        (sentence for sentence in requirement.sentences if word in sentence), requirement.sentences[0]
    )


def _of_remarks(source: Source) -> list[Gap]:
    """Open points and contradictions that the document itself admits, outside of its requirements."""
    known = {sentence for requirement in source.requirements for sentence in requirement.sentences}
    return [
        found
        for sentence in source.sentences
        if sentence.text not in known and (found := _of_remark(sentence)) is not None
    ]


def _of_remark(sentence: Sentence) -> Gap | None:
    ids, place = find_ids(sentence.text), f"line {sentence.line}"
    if ids and _CONFLICT.search(sentence.text):
        words = "The document contradicts itself and says so; the stories follow the requirement as it is written."
        ask = f"Which of the two holds, and who updates {ids[0]}?"
        return gap("critical", "conflict", words, ask, [*ids, place], sentence.text)
    vague = vague_words(sentence.text)
    undecided = [word for word, _ in vague if is_open(word)]
    if undecided:
        words = f"A decision is open ('{undecided[0]}')."
        return gap("high", "missing_value", words, "Who decides, and by when?", [place], sentence.text)
    if vague and re.search(
        r"\b(?:open|points|questions|wish|would like|wants?)\b", f"{sentence.section} {sentence.text}", re.I
    ):
        words = f"A wish without a measure ('{vague[0][0]}')."
        return gap("low", "ambiguity", words, vague[0][1], [place], sentence.text)
    return None


def _absent(source: Source) -> list[Gap]:
    """Qualities of which the whole document says nothing."""
    if len(source.requirements) < 3:
        return []
    stated = {quality_of(item.text) for item in source.requirements}
    text = " ".join(item.text for item in source.requirements).lower()
    found = [
        gap("medium", "missing_non_functional", f"Nothing is said about {words}.",
            f"Which target holds for {words}, and who sets it?")
        for name, words in _NEEDED.items()
        if name not in stated
    ]  # fmt: skip
    if "availability" in stated and not re.search(r"\bbackup|restor|recover", text):
        words = "Availability is stated, but nothing about backup and recovery after a loss."
        ask = "How much data may be lost, and how long may recovery take?"
        found.append(gap("medium", "missing_non_functional", words, ask))
    return found


def _of_groups(groups: list[Group]) -> list[Gap]:
    found: list[Gap] = []
    silent = [group for group in groups if not group.benefit and group.kind == "user"]
    if silent:
        titles = "; ".join(group.title for group in silent[:6])
        refs = [group.refs[0] for group in silent]
        words = f"No benefit is stated for: {titles}."
        found.append(
            gap("medium", "other", words, "What does each of them improve, and for whom?", refs, None)
        )
    for group in groups:
        risky = re.search(
            r"\b(?:send|interface|receive|import|upload|download|attachment|read \w+ \w+ from)\b",
            group.text,
            re.I,
        )
        handled = re.search(
            r"\b(?:cannot|fail|failed|does not|error|unavailable|reject|refuse|locked?|invalid)\b",
            group.text,
            re.I,
        )
        if risky and not handled:
            words = f"'{group.title}' depends on something that can fail ('{risky.group()}'), and no failure is described."
            ask = "What does the person see when it fails, and what is tried again?"
            found.append(gap("medium", "missing_error_handling", words, ask, group.refs, None))
    return found

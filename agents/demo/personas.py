"""Finds who acts: the people a document names, and who a single sentence is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from agents.demo.material import Document
from agents.demo.reading import Sentence, read_blocks
from agents.demo.structured import cells_of

_ACTOR_SECTION = re.compile(r"\b(?:actors?|roles?|users?|personas?|stakeholders?|who uses)\b", re.IGNORECASE)
_PEOPLE = [
    "user",
    "customer",
    "client",
    "patient",
    "caregiver",
    "clinician",
    "doctor",
    "nurse",
    "physician",
    "pharmacist",
    "agent",
    "admin",
    "administrator",
    "manager",
    "operator",
    "member",
    "employee",
    "supervisor",
    "officer",
    "analyst",
    "auditor",
    "developer",
    "engineer",
    "tester",
    "buyer",
    "seller",
    "vendor",
    "supplier",
    "merchant",
    "shopper",
    "visitor",
    "guest",
    "student",
    "teacher",
    "parent",
    "guardian",
    "citizen",
    "applicant",
    "driver",
    "passenger",
    "rider",
    "traveller",
    "traveler",
    "host",
    "tenant",
    "landlord",
    "owner",
    "clerk",
    "cashier",
    "accountant",
    "reviewer",
    "approver",
    "editor",
    "author",
    "reader",
    "subscriber",
    "viewer",
    "publisher",
    "moderator",
    "dispatcher",
    "technician",
    "planner",
    "recruiter",
    "candidate",
    "consultant",
    "advisor",
    "adviser",
    "broker",
    "policyholder",
    "claimant",
    "underwriter",
    "investor",
    "trader",
    "borrower",
    "librarian",
    "staff",
    "receptionist",
    "coordinator",
    "director",
    "team",
    "department",
]
_PERSON = rf"(?:{'|'.join(_PEOPLE)})"
_QUALIFIED = re.compile(
    rf"\b(?:an?|the|each|every|any|all|no)\s+((?:[a-z][a-z-]{{2,15}}\s){{0,2}}?{_PERSON})(?:s|'s)?\b",
    re.IGNORECASE,
)
_AS_A = re.compile(r"\bas an?\s+([\w /-]{2,50}?)\s*,?\s+(?:I|we)\s+(?:want|need|can|would|must|shall)", re.I)
_LABEL = re.compile(r"^\**([A-Z][\w /-]{1,40}?)\**\s*(?::|\s[–—-]\s)")
_FILLER = frozenset(["other", "same", "first", "second", "new", "given", "such", "only"])


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of a document: `named` from its actor list, `usual` the one mentioned most."""

    named: tuple[str, ...]
    usual: str | None

    def find(self, text: str) -> str | None:
        """Return the first person a text mentions, the document's own names before ordinary nouns."""
        lowered = text.lower()
        places = [
            (match.start(), -len(name), name)
            for name in self.named
            if (match := re.search(rf"\b{re.escape(name.lower())}(?:s|'s|es)?\b", lowered))
        ]
        if places:
            return min(places)[2].lower()
        return _ordinary(text)


def find_cast(documents: Iterable[Document], sentences: Iterable[Sentence]) -> Cast:
    """Return the people of the documents."""
    named: dict[str, None] = {}
    for document in documents:
        for name in _listed(document):
            named.setdefault(name)
    counts: Counter[str] = Counter()
    cast = Cast(tuple(named), None)
    for sentence in sentences:
        if persona := cast.find(sentence.text):
            counts[persona] += 1
    usual = counts.most_common(1)[0][0] if counts else None
    return Cast(tuple(named), usual)


def _listed(document: Document) -> Iterable[str]:
    """Yield the names of an actor section: first table column or label of an item."""
    inside = False
    for block in read_blocks(document.text):
        if block.kind == "heading":
            inside = bool(_ACTOR_SECTION.search(block.text)) and len(block.text) < 60
        elif inside and block.kind == "row":
            name = cells_of(block.text)[0].strip("*` ")
            if 2 < len(name) < 40 and not _ACTOR_SECTION.fullmatch(name):
                yield name
        elif inside and block.kind == "item" and (label := _LABEL.match(block.text)):
            yield label.group(1)


def _ordinary(text: str) -> str | None:
    if told := _AS_A.search(text):
        return told.group(1).strip().lower()
    if match := _QUALIFIED.search(text):
        words = [word for word in match.group(1).lower().split() if word not in _FILLER]
        return " ".join(words)
    if plural := re.search(rf"\b({_PERSON})s\b", text, re.IGNORECASE):
        return plural.group(1).lower()
    return None

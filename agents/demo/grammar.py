"""Takes a requirement sentence apart and rewrites it as an intent, a trigger and an observable result."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from agents.demo.personas import Cast

Kind = Literal["ability", "prohibition", "system", "rule", "statement", "story"]

_MODAL = (
    r"(?:shall|must|should|will|can|may|cannot|needs? to|wants? to|has to|have to|(?:is|are) required to)"
)
_MAIN = re.compile(
    rf"^(?P<subject>.{{1,160}}?)(?<!\bthat)(?<!\bwhich)(?<!\bwho)\s+(?P<modal>{_MODAL})(?:\s+(?P<neg>not|never))?"
    r"\s+(?:(?:also|only|always|be able to)\s+)*(?P<action>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(
    r"^(?P<word>If|When|Whenever|While|After|Before|Once|Until|Unless|Where|In case)\s+(?P<condition>.{3,200}?)"
    rf"(?:,\s+(?:then\s+)?|\s+(?=(?:the|an?|every|each)\s+[\w-]+\s+{_MODAL}\b))(?P<rest>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_BENEFIT = re.compile(r"[,;]?\s+(?:so that|in order to|so as to)\s+(.+)$", re.IGNORECASE | re.DOTALL)
_STORY = re.compile(
    r"\bas an?\s+.{2,50}?,?\s+I\s+(?:want|need|would like)\s+(?:to\s+)?(?P<action>.+)$", re.I | re.S
)
_GRANT = re.compile(
    r"^(?:allow|enable|let|permit)s?\s+(?P<whom>.{2,50}?)\s+to\s+(?P<action>.+)$", re.I | re.S
)
_SYSTEM = re.compile(
    r"\b(?:system|portal|application|app|service|platform|software|product|solution|api|module|website|site|"
    r"backend|server|interface|tool|engine|gateway|device)\b",
    re.IGNORECASE,
)
_INNER_MODAL = re.compile(r"\b(\S+)\s+(?:shall|must|should|will)\s+(not\s+)?(\w+)", re.IGNORECASE)
_AND_MODAL = re.compile(r"\b(and|or|but)\s+(?:shall|must|should|will)\s+(not\s+)?(\w+)", re.IGNORECASE)
_OPPOSITES = [
    (re.compile(r"\bcannot\b"), "can"),
    (re.compile(r"\b(?:does|do) not "), "did "),
    (re.compile(r"\b(is|are|has|have|was|were) not\b"), r"\1"),
    (re.compile(r"\b(is|are|has|have|was|were)\b"), r"\1 not"),
]
_BASE_VERBS = frozenset(
    [
        "inform",
        "show",
        "offer",
        "send",
        "record",
        "give",
        "tell",
        "reserve",
        "scan",
        "lock",
        "keep",
        "withdraw",
        "log",
        "store",
        "reject",
        "refuse",
        "notify",
        "display",
        "return",
        "create",
        "delete",
        "update",
        "assign",
        "ask",
        "accept",
        "block",
        "close",
        "open",
        "ensure",
        "remain",
        "include",
        "contain",
        "move",
        "cancel",
        "write",
        "choose",
        "select",
        "change",
        "approve",
        "confirm",
        "export",
        "import",
        "print",
        "attach",
        "share",
        "provide",
        "produce",
        "publish",
        "calculate",
        "validate",
        "verify",
        "check",
        "mark",
        "start",
        "stop",
        "end",
    ]
)
_AND_VERB = re.compile(r"(\band|\bor|,)\s+([a-z]+)\b")


@dataclass(frozen=True, slots=True)
class Clause:
    """A requirement sentence in parts. `action` starts with a verb in base form, without its modal."""

    kind: Kind
    subject: str
    action: str
    modal: str = ""
    negated: bool = False
    condition: str | None = None
    condition_word: str = ""
    benefit: str | None = None
    persona: str | None = None

    @property
    def result(self) -> str:
        """The sentence as an observable fact in the present tense, without its condition."""
        if self.kind == "statement":
            return self.subject
        return f"{lower_first(self.subject)} {conjugate(self.action, is_plural(self.subject), self.negated)}"


def parse(sentence: str, cast: Cast) -> Clause:
    """Return the parts of a sentence. A sentence without a modal verb is a `statement`."""
    text = sentence.strip().rstrip(".;:")
    benefit = None
    if found := _BENEFIT.search(text):
        benefit, text = found.group(1).strip(), text[: found.start()]
    if story := _STORY.search(text):
        who = cast.find(text)
        return Clause(
            "story", f"the {who or 'user'}", story.group("action").strip(), benefit=benefit, persona=who
        )
    condition, word = None, ""
    if found := _CONDITION.match(text):
        condition, word, text = (
            found.group("condition").strip(),
            found.group("word").lower(),
            found.group("rest"),
        )
    main = _MAIN.match(text)
    if main is None:
        return Clause("statement", text.strip(), "", "", False, condition, word, benefit, cast.find(text))
    clause = Clause(
        "rule",
        main.group("subject").strip(),
        main.group("action").strip(),
        main.group("modal").lower(),
        bool(main.group("neg")) or main.group("modal").lower() == "cannot",
        condition,
        word,
        benefit,
    )
    return _classified(clause, cast)


def _classified(clause: Clause, cast: Cast) -> Clause:
    if clause.negated:
        return replace(clause, kind="prohibition", persona=cast.find(clause.subject))
    grant = _GRANT.match(clause.action)
    if grant and (persona := cast.find(f"the {grant.group('whom').removeprefix('the ')}")):
        action = grant.group("action").strip()
        return replace(clause, kind="ability", persona=persona, subject=f"the {persona}", action=action)
    if _SYSTEM.search(clause.subject):
        return replace(clause, kind="system")
    person = cast.find(clause.subject)
    if person and len(clause.subject.split()) <= 5 and not clause.action.startswith("be "):
        # What happens to people on a condition is a rule for the product, not something they can do.
        happens = clause.condition is not None and clause.modal in {"must", "shall"}
        return replace(clause, kind="rule" if happens else "ability", persona=person)
    return clause


def lower_first(text: str) -> str:
    """Return the text as it reads inside a sentence; abbreviations keep their capitals."""
    return text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]


def is_plural(subject: str) -> bool:
    """Guess the number of a noun phrase from its head noun."""
    head = re.split(r"\s+(?:of|that|which|for|with|in|on|from|by|to|about)\s+", subject, maxsplit=1)[0]
    word = head.split()[-1].lower() if head.split() else ""
    if re.match(r"^(?:all|both|most|these|those)\b", head, re.IGNORECASE):
        return word != "data"
    return (word.endswith("s") and not word.endswith(("ss", "us", "is"))) or word in {"people", "staff"}


def negate(condition: str) -> str:
    """Return the opposite of a condition."""
    for pattern, opposite in _OPPOSITES:
        turned, count = pattern.subn(opposite, condition, count=1)
        if count:
            return turned
    return f"it is not so that {condition}"


def conjugate(action: str, plural: bool, negated: bool = False) -> str:
    """Put a verb phrase in base form into the present tense."""
    verb, _, rest = action.partition(" ")
    rest = _inner(rest, plural)
    if verb.lower() == "be":
        done = ("are" if plural else "is") + (" not" if negated else "")
    elif negated:
        done = ("do not " if plural else "does not ") + verb
    else:
        done = verb if plural else third_person(verb)
    return f"{done} {rest}".strip()


def third_person(verb: str) -> str:
    """Return the third person singular of a verb in base form."""
    irregular = {"have": "has", "do": "does", "go": "goes", "be": "is"}
    if verb.lower() in irregular:
        return irregular[verb.lower()]
    if re.search(r"(?:s|x|z|ch|sh)$", verb):
        return verb + "es"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + "s"


def _inner(rest: str, plural: bool) -> str:
    """Conjugate what follows: 'and must not X', 'the link must X', 'and inform ...'."""

    def joined(match: re.Match[str]) -> str:
        return f"{match.group(1)} {conjugate(match.group(3), plural, bool(match.group(2)))}"

    def inner(match: re.Match[str]) -> str:
        many = is_plural(match.group(1))
        return f"{match.group(1)} {conjugate(match.group(3), many, bool(match.group(2)))}"

    def listed(match: re.Match[str]) -> str:
        known = match.group(2) in _BASE_VERBS and not plural
        return f"{match.group(1)} {third_person(match.group(2))}" if known else match.group()

    rest = _AND_MODAL.sub(joined, rest)
    rest = _INNER_MODAL.sub(inner, rest)
    return _AND_VERB.sub(listed, rest)

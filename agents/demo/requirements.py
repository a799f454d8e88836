"""Finds the requirements of a text: sentences with an id, or sentences that demand something."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

from agents.demo.grammar import Clause, parse
from agents.demo.limits import Limit, find_limits
from agents.demo.material import Document, Material, content_words
from agents.demo.personas import Cast, find_cast
from agents.demo.reading import Sentence, find_ids, read_sentences

MAX_REQUIREMENTS = 150
#: Sentences read of one requirement.
MAX_SENTENCES = 12
_STRONG = re.compile(
    r"\b(?:shall|must|should|needs? to|wants? to|has to|have to|required to)\b", re.IGNORECASE
)
_ABILITY = re.compile(r"\b(?:can|cannot|may|will|wants? to|would like to|be able to)\b", re.IGNORECASE)
_STORY = re.compile(r"\bas an?\s.{2,60}\bI\s(?:want|need|would like)\b", re.IGNORECASE)
_QUESTION = re.compile(r"\?\s*$")
_PROSE_SECTION = re.compile(
    r"\b(?:background|goals?|objectives?|scope|introduction|overview|actors?|glossary|definitions?|"
    r"open (?:points|questions|issues)|assumptions|references|history|constraints)\b",
    re.IGNORECASE,
)
_GOAL_ID = re.compile(r"^(?:G|GOAL|OBJ|BG)-")
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A statement the product has to satisfy. `ref` is the source's id or the line it stands in."""

    ref: str
    text: str
    sentences: tuple[str, ...]
    clauses: tuple[Clause, ...]
    section: str
    limits: tuple[Limit, ...]
    has_id: bool
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A text that was read for requirements. `usual_words` are in too many of them to tell two apart."""

    requirements: tuple[Requirement, ...]
    sentences: tuple[Sentence, ...]
    cast: Cast
    left_out: int
    usual_words: frozenset[str]


def read_source(material: Material) -> Source:
    """Return the requirements of the material in reading order, at most `MAX_REQUIREMENTS`."""
    sentences = read_sentences(material.documents)
    cast = find_cast(material.documents, sentences)
    groups = _from_prose(sentences, cast)
    listed = _narrowed(list(groups.items()), material.focus)
    requirements = [_requirement(ref, group, cast) for (_, ref), group in listed[:MAX_REQUIREMENTS]]
    described = _from_openapi(material.documents)
    kept = tuple([*requirements, *described][:MAX_REQUIREMENTS])
    counts = Counter(word for item in kept for word in content_words(item.text))
    usual = frozenset(word for word, count in counts.items() if count > max(3, len(kept) / 5))
    return Source(kept, tuple(sentences), cast, len(listed) + len(described) - len(kept), usual)


Grouped = tuple[tuple[str, str], list[Sentence]]


def _narrowed(groups: list[Grouped], focus: frozenset[str]) -> list[Grouped]:
    """Keep the statements that the focus names, by their words, section or id."""

    def about(ref: str, group: list[Sentence]) -> bool:
        words = content_words(" ".join([group[0].section, ref, *(sentence.text for sentence in group)]))
        return bool(words & focus) or ref.lower().rstrip("s") in focus

    wanted = [item for item in groups if about(item[0][1], item[1])] if focus else []
    return wanted or groups


def _from_prose(sentences: list[Sentence], cast: Cast) -> dict[tuple[str, str], list[Sentence]]:
    """Return the sentences of each statement by document and reference.

    What belongs to an id is one statement; without ids each sentence is one, named by its line.
    """
    several = len({sentence.document for sentence in sentences}) > 1
    with_ids = sum(sentence.ident is not None for sentence in sentences) >= 3
    on_line: Counter[tuple[str, int]] = Counter()
    groups: dict[tuple[str, str], list[Sentence]] = {}
    for sentence in sentences:
        if not _is_requirement(sentence, cast, with_ids):
            continue
        ref = sentence.ident
        if ref is None:
            place = (sentence.document, sentence.line)
            on_line[place] += 1
            ref = f"{sentence.document}, line {sentence.line}" if several else f"line {sentence.line}"
            ref += f" ({on_line[place]})" if on_line[place] > 1 else ""
        group = groups.setdefault((sentence.document, ref), [])
        if len(group) < MAX_SENTENCES:
            group.append(sentence)
    return groups


def _is_requirement(sentence: Sentence, cast: Cast, with_ids: bool) -> bool:
    if sentence.ident:
        return not _GOAL_ID.match(sentence.ident)
    if len(sentence.text) < 12 or _QUESTION.search(sentence.text):
        return False
    if _STORY.search(sentence.text):
        return True
    if _PROSE_SECTION.search(sentence.section):
        return False
    if _STRONG.search(sentence.text):
        return True
    return not with_ids and bool(_ABILITY.search(sentence.text)) and cast.find(sentence.text) is not None


def _requirement(ref: str, group: list[Sentence], cast: Cast) -> Requirement:
    sentences = tuple(sentence.text for sentence in group)
    text = " ".join(sentences)
    return Requirement(
        ref,
        text,
        sentences,
        tuple(parse(sentence, cast) for sentence in sentences),
        group[0].section,
        tuple(limit for sentence in sentences for limit in find_limits(sentence)),
        group[0].ident is not None,
        tuple(ident for ident in find_ids(text) if ident != ref),
    )


def _from_openapi(documents: tuple[Document, ...]) -> list[Requirement]:
    """Return one requirement per operation: an API description demands each of them."""
    found: list[Requirement] = []
    for document in documents:
        for path, method, operation in operations(document.text):
            words = str(operation.get("summary") or operation.get("description") or "").strip()
            text = words or f"The API shall offer {method.upper()} {path}"
            clause = Clause("system", "the API", f"offer {method.upper()} {path}", "shall")
            tags = operation.get("tags")
            section = str(tags[0]) if isinstance(tags, list) and tags else path.strip("/").split("/")[0]
            quote = words if words else path
            found.append(
                Requirement(f"{method.upper()} {path}", text, (quote,), (clause,), section, (), True)
            )
    return found


def operations(text: str) -> list[tuple[str, str, dict[str, object]]]:
    """Return (path, method, operation) of an OpenAPI description in JSON; empty for any other text."""
    if '"paths"' not in text:
        return []
    try:
        document = json.loads(text)
        paths = document["paths"]
        return [
            (str(path), method, operation)
            for path, item in paths.items()
            for method in _METHODS
            if isinstance(operation := item.get(method), dict)
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []

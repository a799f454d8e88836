"""Turns chat messages into what a composer works on: the person's words and the documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: Characters read per answer. Rules over more text take longer than a person waits for a demo.
MAX_CHARS = 300_000
#: A message of this length is taken as something to analyse rather than a question about earlier messages.
MATERIAL_CHARS = 280

_OPENING = re.compile(r'<document\s+name="([^"\n]{0,300})"[^>\n]{0,200}>')
_CLOSING = "</document>"
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_WORD = re.compile(r"[^\W_][\w'-]{2,40}")
_NARROWING = re.compile(r"\b(?:only|just|focus|about|concerning|regarding|limit(?:ed)? to)\b", re.IGNORECASE)
#: A request to mend an answer repeats the earlier task; its words are not what the person asks about.
_MENDING = re.compile(r"\b(?:schema|valid json|validation|try again|continue|repeat)\b", re.IGNORECASE)
_STOP_WORDS = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "but",
        "not",
        "you",
        "all",
        "any",
        "can",
        "had",
        "has",
        "have",
        "her",
        "was",
        "one",
        "our",
        "out",
        "day",
        "get",
        "him",
        "his",
        "how",
        "its",
        "may",
        "new",
        "now",
        "old",
        "see",
        "two",
        "way",
        "who",
        "did",
        "use",
        "this",
        "that",
        "with",
        "from",
        "they",
        "will",
        "would",
        "there",
        "their",
        "what",
        "about",
        "which",
        "when",
        "make",
        "like",
        "into",
        "your",
        "some",
        "could",
        "them",
        "other",
        "than",
        "then",
        "these",
        "only",
        "please",
        "just",
        "focus",
        "story",
        "stories",
        "requirements",
        "requirement",
        "document",
        "documents",
        "analyse",
        "analyze",
        "create",
        "write",
        "give",
        "show",
        "test",
        "tests",
        "case",
        "cases",
        "turn",
        "user",
        "users",
        "concerning",
        "regarding",
        "limit",
        "limited",
        "answer",
        "more",
        "most",
        "less",
        "why",
        "where",
        "does",
        "were",
        "been",
        "being",
        "also",
    ]
)


@dataclass(frozen=True, slots=True)
class Document:
    """A named text of the input."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Material:
    """What one answer is composed from.

    `documents` always holds the texts to analyse, a message without documents included. `question` is what
    the person typed last. `focus` are words that narrow the answer down; empty means everything. `room` is
    how many bytes of answer the caller accepts.
    """

    documents: tuple[Document, ...]
    question: str
    earlier_answers: tuple[str, ...] = ()
    follow_up: bool = False
    focus: frozenset[str] = frozenset()
    truncated: bool = False
    room: int = 60_000
    text: str = field(default="", repr=False)

    def narrow(self, items: Sequence[T], text_of: Callable[[T], str]) -> list[T]:
        """Return the items that the focus names; all of them when there is no focus or nothing fits."""
        wanted = [item for item in items if any(word in text_of(item).lower() for word in self.focus)]
        return wanted or list(items)

    @property
    def everything(self) -> str:
        """What the person typed, and the documents."""
        return self.text if self.question in self.text else f"{self.question}\n\n{self.text}"


def read_messages(messages: Sequence[Mapping[str, Any]], room: int = 60_000) -> Material:
    """Return the material of a conversation. Never raises: what cannot be read counts as empty."""
    spoken = [(str(message.get("role")), _content(message.get("content"))) for message in messages]
    users = [index for index, (role, _) in enumerate(spoken) if role == "user"]
    if not users:
        return Material((), "", room=room)
    last = users[-1]
    question, documents = _split(spoken[last][1])
    answers = tuple(text for role, text in spoken[:last] if role == "assistant")
    follow_up = False
    if not documents and len(question) < MATERIAL_CHARS:
        documents = _earlier_documents(spoken[index][1] for index in reversed(users[:-1]))
        follow_up = bool(documents)
    narrowed = follow_up or (bool(documents) and bool(_NARROWING.search(question)))
    if _MENDING.search(question):
        narrowed, answers = False, ()
    focus = content_words(question) if narrowed else frozenset()
    if not documents and question:
        documents = (Document("message", question),)
    kept, truncated = _bounded(documents)
    text = "\n\n".join(document.text for document in kept)
    return Material(kept, question, answers, follow_up, focus, truncated, room, text)


def content_words(text: str) -> frozenset[str]:
    """Return the words of a text that carry meaning, lower case and without a plural s."""
    words = (match.group().lower() for match in _WORD.finditer(text[:20_000]))
    return frozenset(word.rstrip("s") for word in words if word not in _STOP_WORDS)


def _content(content: object) -> str:
    """Return the text of a message: a string, or the text parts of a list."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        content = "\n".join(part for part in parts if isinstance(part, str))
    return _UNREADABLE.sub(" ", content) if isinstance(content, str) else ""


def _split(text: str) -> tuple[str, tuple[Document, ...]]:
    """Separate the person's words from the document blocks."""
    words: list[str] = []
    documents: list[Document] = []
    position = 0
    while opening := _OPENING.search(text, position):
        end = text.find(_CLOSING, opening.end())
        end = len(text) if end < 0 else end
        words.append(text[position : opening.start()])
        documents.append(Document(opening.group(1) or "document", text[opening.end() : end].strip("\n")))
        position = min(end + len(_CLOSING), len(text))
    words.append(text[position:])
    return "\n".join(words).strip(), tuple(documents)


def _earlier_documents(texts: Iterator[str]) -> tuple[Document, ...]:
    """Return the newest documents of the conversation, or the newest long message."""
    for text in texts:
        question, documents = _split(text)
        if documents:
            return documents
        if len(question) >= MATERIAL_CHARS or "." in question:
            return (Document("message", question),)
    return ()


def _bounded(documents: tuple[Document, ...]) -> tuple[tuple[Document, ...], bool]:
    kept: list[Document] = []
    left = MAX_CHARS
    for document in documents:
        kept.append(Document(document.name, document.text[:left]))
        left -= len(kept[-1].text)
    return tuple(kept), sum(len(document.text) for document in documents) > MAX_CHARS

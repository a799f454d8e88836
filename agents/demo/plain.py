"""Answers in Markdown when no schema is asked for: by quoting, because rules cannot reason."""

from __future__ import annotations

from agents.demo import NOTICE
from agents.demo.limits import find_limits
from agents.demo.material import Document, Material, content_words
from agents.demo.reading import Sentence, read_sentences
from agents.demo.requirements import read_source
from agents.demo.structured import readable

MOST_QUOTES = 8
_HEADER = f"*{NOTICE}*"


def answer(material: Material) -> str:
    """Return the sentences of the input that fit the question, or an extract when there is no question."""
    if not material.documents:
        return f"{_HEADER}\n\nThe message holds no text to work on. Give a document, or ask about one."
    own = len(material.documents) == 1 and material.documents[0].name == "message" and not material.follow_up
    earlier = tuple(Document("earlier answer", text) for text in material.earlier_answers[-3:])
    documents = (*material.documents, *earlier)
    sentences = read_sentences(Document(item.name, readable(item)) for item in documents)
    if not sentences:
        return f"{_HEADER}\n\nThe text holds no sentences that could be quoted."
    if material.question and not own and (found := _fitting(material.question, sentences)):
        return "\n".join(
            [_HEADER, "", f'On "{_line(material.question)}" the texts say:', "", *map(_quote, found)]
        )
    if material.question and not own:
        return f'{_HEADER}\n\nNothing in the texts fits "{_line(material.question)}". The demo model can only quote them.'
    return _extract(material, sentences)


def _fitting(question: str, sentences: list[Sentence]) -> list[Sentence]:
    """Return the sentences that share most words with the question, in the order of the text."""
    asked = content_words(question)
    scored = [(len(asked & content_words(item.text)), number) for number, item in enumerate(sentences)]
    best = sorted((pair for pair in scored if pair[0]), key=lambda pair: (-pair[0], pair[1]))[:MOST_QUOTES]
    return [sentences[number] for number in sorted(number for _, number in best)]


def _extract(material: Material, sentences: list[Sentence]) -> str:
    demands = [item.text for item in read_source(material).requirements][:MOST_QUOTES]
    figures = [item for item in sentences if find_limits(item.text)][:MOST_QUOTES]
    parts = [
        _HEADER,
        "",
        f"The text has {len(sentences)} sentences.",
        "",
        "**It begins**",
        "",
        *map(_quote, sentences[:2]),
    ]
    if demands:
        parts += ["", "**It demands**", "", *(f"- {_line(text)}" for text in demands)]
    if figures:
        parts += ["", "**It gives figures**", "", *map(_quote, figures)]
    return "\n".join(parts)


def _quote(sentence: Sentence) -> str:
    return f'- "{_line(sentence.text)}" ({sentence.document}, line {sentence.line})'


def _line(text: str) -> str:
    return " ".join(text.split())[:400]

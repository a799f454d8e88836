"""Recognises the field a text comes from and the regulation that governs it, each with a quote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agents.demo.reading import Sentence

_DOMAINS = {
    "healthcare": r"patient|clinic|medical|health|hospital|laborator|diagnos|prescription",
    "payments and banking": r"payment|credit card|bank|loan|transfer|account balance|iban",
    "insurance": r"policyholder|claim|premium|insur",
    "retail": r"basket|checkout|order|product catalogue|shopper|warehouse",
    "education": r"student|teacher|course|exam|lecture",
    "public sector": r"citizen|permit|tax|municipal|authority",
    "travel": r"flight|booking reference|passenger|hotel|itinerary",
    "software operations": r"deploy|cluster|pipeline|incident|server",
}


@dataclass(frozen=True, slots=True)
class Regulation:
    """A regulation and what brings it in. `sure` when the text names it."""

    code: str
    name: str
    pattern: str
    reason: str
    tests: tuple[str, ...]


REGULATIONS = (
    Regulation(
        "HIPAA",
        "Health Insurance Portability and Accountability Act",
        r"\bHIPAA\b|\bhealth data\b|\bpatient record|\bmedical record|\blaboratory result",
        "Health data of identifiable people is processed.",
        (
            "Access to another person's record is refused and recorded",
            "Every access to a record can be shown with user, time and purpose",
            "Health data is unreadable in transit, at rest and in logs",
        ),
    ),
    Regulation(
        "PCI DSS",
        "Payment Card Industry Data Security Standard",
        r"\bPCI\b|\bcredit card|\bcard number|\bcardholder|\bcard data",
        "Cardholder data is processed.",
        ("The full card number appears in no page, log or export", "The security code is never stored"),
    ),
    Regulation(
        "GDPR",
        "General Data Protection Regulation",
        r"\bGDPR\b|\bdata subject|\bEuropean Union\b|\bEU citizen|\bright to be forgotten",
        "Personal data of people in the European Union is processed.",
        (
            "A person's data can be exported and erased on request",
            "Consent can be withdrawn as easily as given",
        ),
    ),
    Regulation(
        "SOX",
        "Sarbanes-Oxley Act",
        r"\bSOX\b|\bSarbanes|\bfinancial reporting\b",
        "Figures enter financial reporting.",
        ("No one person can both enter and approve", "Every change of a figure leaves a record"),
    ),
)


def find_domain(sentences: Sequence[Sentence]) -> tuple[str, list[str]]:
    """Return the field with the most signs, and up to two sentences that show it."""
    scores: dict[str, list[str]] = {}
    for sentence in sentences:
        for name, pattern in _DOMAINS.items():
            if re.search(rf"\b(?:{pattern})", sentence.text, re.IGNORECASE):
                scores.setdefault(name, []).append(sentence.text)
    if not scores:
        return "not stated", []
    best = max(scores, key=lambda name: len(scores[name]))
    return best, scores[best][:2]


def find_regulations(sentences: Sequence[Sentence]) -> list[tuple[Regulation, str]]:
    """Return each regulation with the first sentence that brings it in; a sentence that names it comes first."""
    found = []
    for regulation in REGULATIONS:
        quotes = [item.text for item in sentences if re.search(regulation.pattern, item.text, re.IGNORECASE)]
        if quotes:
            named = [quote for quote in quotes if regulation.code.split()[0] in quote]
            found.append((regulation, (named or quotes)[0]))
    return found


def find_in_text(text: str) -> list[tuple[Regulation, str]]:
    """Do the same for text that is no prose, such as an API description in JSON."""
    found = []
    for regulation in REGULATIONS:
        if match := re.search(regulation.pattern, text, re.IGNORECASE):
            before = max(text.rfind(mark, 0, match.start()) for mark in '."\n;')
            after = [at for mark in '."\n;' if (at := text.find(mark, match.end())) >= 0]
            end = min(after, default=len(text))
            found.append(
                (regulation, text[before + 1 : min(end, match.end() + 200)].strip() or match.group())
            )
    return found

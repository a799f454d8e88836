"""Test ideas and qualities that follow from what a story is about. They are ideas, not statements of the source."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.material import content_words
from agents.demo.requirements import Requirement, Source
from agents.demo.stories.grouping import QUALITY_SECTION, Group

_NORM = re.compile(r"\bTLS \d\.\d|\bAES-\d{3}|\bWCAG \d\.\d(?: level A{1,3})?")
_EVERYWHERE = re.compile(r"^(?:all pages|health data|personal data|every page)\b", re.IGNORECASE)

#: (what the text is about, edge case, negative case)
_IDEAS: list[tuple[str, str, str]] = [
    (r"\bbook|reserv|slot|seat|stock",
     "Two people confirm the last free one within the same second: exactly one gets it",
     "One that was taken a moment ago is confirmed: refused, nothing is stored"),
    (r"\bsign.?in|log.?in|password|one-time|register|registration",
     "Sign-in in two browsers at once: both sessions follow the same rules",
     "Wrong or expired credentials: refused with the same message whether or not the account exists"),
    (r"\bcancel|\bmove\b|reschedul|withdraw|revoke",
     "The action is taken in the last second in which it is allowed: it counts",
     "The action is taken a second too late, or twice: refused, state unchanged"),
    (r"\be-?mail|\btext message|\bsms|notif|remind",
     "The recipient's address changed after the message was queued: the current address is used",
     "The message cannot be delivered: this is recorded and visible to someone"),
    (r"\battach|upload|\bfile|\bpdf|\bcsv",
     "An empty file, and a file whose content does not match its extension",
     "The transfer breaks off half-way: no partial file is kept"),
    (r"\bsearch|filter|\bfind\b",
     "No entry matches, and more entries match than fit on a page",
     "Search text with quotes, wildcards and 1,000 characters: no error, no foreign data"),
    (r"\bhours? (?:before|ahead|up)|\bdays? (?:before|ahead|and)|by [\w ,]*\bdate",
     "The span crosses the change to or from daylight saving time, and a month's end",
     "A date that does not exist (30 February): refused with the reason"),
    (r"\bpay|price|invoice|amount|refund",
     "The smallest and the largest amount, and rounding at half a cent",
     "The same payment is submitted twice: charged once"),
    (r"\bauthoris|authoriz|permission|\baccess\b|consent|role",
     "A right is withdrawn while its holder has the page open: the next request is refused",
     "Somebody else's identifier is put into the address: answered as if it did not exist"),
    (r"\binterface|\bapi\b|\brest\b|hl7|\bimport|synchroni|\bqueue",
     "The other system answers slowly, or delivers the same record twice",
     "The other system is down or answers nonsense: nothing is lost, someone is told"),
    (r"\brecord\b|\blog\b|audit|history",
     "Two entries in the same millisecond keep their order",
     "Writing the record fails: the action itself does not happen"),
    (r"\blanguage|translat|english|spanish|wcag|accessib|screen reader",
     "The longest translation at 200 % zoom stays usable with the keyboard alone",
     "A missing translation: the default language is shown, never a key"),
    (r"\bconcurrent|requests|available|respon[ds]|\bload",
     "Load at exactly the stated level for an hour",
     "Load beyond the stated level: slower or refused cleanly, no wrong answers"),
    (r"\bencrypt|delet|retention|privacy|personal data|hipaa|gdpr",
     "Data is asked for on the last day of its retention, and on the day after",
     "A backup or an export holds data that should be gone: found and reported"),
]  # fmt: skip

_QUALITIES: list[tuple[str, str]] = [
    ("performance", r"\bwithin [\d.]+ (?:s|ms|sec|milli|second)|fast|quick|response|concurrent|throughput|latency|\bload\b"),
    ("availability", r"\bavailab(?:le \d|ility|le [\d.]+ ?%)|uptime|failover|downtime|backup|restore"),
    ("privacy", r"\bpersonal data|\bconsent|privacy|health data|sensitive|no longer needed|retention"),
    ("security", r"\bencrypt|password|\block the account|malware|one-time|tls|authenticat|session"),
    ("auditability", r"\brecord every|audit|access record|who has opened|traceab"),
    ("accessibility", r"\bwcag|accessib|screen reader|disabilit"),
    ("compliance", r"\bhipaa|gdpr|pci|sox\b|comply|regulat"),
    ("compatibility", r"\bbrowser|\bhl7|rest interface|compatib|languages?\b"),
    ("usability", r"\beasy|intuitive|user-friendly|usab|modern"),
]  # fmt: skip


def edge_cases(group: Group, most: int) -> list[str]:
    """Return the values on stated limits, then situations that fit the story."""
    exact = [
        f"Exactly {limit.amount(limit.value)} ({requirement.ref})"
        + (
            " is still accepted"
            if limit.kind in {"max", "min"} and not limit.exclusive
            else " decides the case"
        )
        for requirement, limit in group.limits
        if limit.kind in {"max", "min", "duration"}
    ]
    ideas = [edge for edge, _ in _fitting(group)]
    return _few([*exact[: max(1, most // 2)], *ideas], most)


def negative_cases(group: Group, most: int) -> list[str]:
    """Return what must be refused or survived."""
    beyond = [
        f"{limit.amount(limit.value + (limit.step if limit.kind == 'max' else -limit.step))} where "
        f"{requirement.ref} {'allows at most' if limit.kind == 'max' else 'demands at least'} "
        f"{limit.amount(limit.value)}: refused, nothing changed"
        for requirement, limit in group.limits
        if limit.kind in {"max", "min"}
        and not limit.of_time
        and not (limit.kind == "min" and limit.exclusive)
    ]
    ideas = [negative for _, negative in _fitting(group)]
    return _few([*beyond[: max(1, most // 2)], *ideas], most)


def non_functional(group: Group, source: Source, most: int) -> list[dict[str, Any]]:
    """Return the qualities the story states itself, and those that quality sections state about its subject."""
    rows = [_row(item) for item in group.requirements if quality_of(item.text)]
    words = content_words(group.text) - source.usual_words
    for item in source.requirements:
        if (
            item in group.requirements
            or not QUALITY_SECTION.search(item.section)
            or not quality_of(item.text)
        ):
            continue
        everywhere = _EVERYWHERE.match(item.text) and group.kind == "user"
        if everywhere or len(content_words(item.text) & words) >= 2:
            rows.append(_row(item))
    return rows[:most]


def quality_of(text: str) -> str | None:
    """Return the quality a sentence speaks about."""
    return next((name for name, pattern in _QUALITIES if re.search(pattern, text, re.IGNORECASE)), None)


def _row(requirement: Requirement) -> dict[str, Any]:
    figures = [limit.phrase for limit in requirement.limits]
    target = "; ".join([*figures, *_NORM.findall(requirement.text)])
    words = requirement.text if len(requirement.text) <= 110 else requirement.text[:107] + "..."
    return {
        "category": quality_of(requirement.text) or "usability",
        "need": f"{requirement.ref}: {words}",
        "target": target or None,
    }


def _fitting(group: Group) -> list[tuple[str, str]]:
    return [(edge, bad) for pattern, edge, bad in _IDEAS if re.search(pattern, group.text, re.IGNORECASE)]


def _few(cases: list[str], most: int) -> list[str]:
    return list(dict.fromkeys(cases))[:most]

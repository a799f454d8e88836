"""Log lines become patterns, hypotheses on their causes, and negative tests."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from agents.demo import NOTICE
from agents.demo.logs.causes import suspect
from agents.demo.logs.events import Event, is_log, read_events
from agents.demo.logs.patterns import Pattern, hide_secrets, known_signatures, mask, mine
from agents.demo.logs.provocation import provoke
from agents.demo.material import Document, Material
from agents.demo.room import fit
from agents.demo.stories.gaps import gap, numbered
from agents.demo.structured import parse_json

_BASELINE = re.compile(r"\b(?:baseline|known)\b", re.IGNORECASE)
_KNOWN_PART = re.compile(r"(?im)^#{0,6}[ \t]*known patterns:?[ \t]*$([\s\S]*?)(?=^#|\Z)")
_INJECTION = re.compile(r"ignore (?:all |previous |above )*instructions|<script|';\s*drop|\$\{jndi", re.I)


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the reliability engineer, with as many patterns as there is room for."""
    known = _baseline(material)
    logs = tuple(document for document in material.documents if not _BASELINE.search(document.name))
    events, lines = read_events(replace(material, documents=logs))
    if not is_log(events):
        events = []
    patterns = mine(events)
    patterns = material.narrow(patterns, lambda item: f"{item.component} {item.signature}")
    count = len(patterns)
    return fit(
        lambda size: _answer(logs, events, lines, patterns[:size], known),
        (count, count // 2, 5, 2),
        material.room,
    )


def _answer(
    logs: tuple[Document, ...],
    events: list[Event],
    lines: int,
    patterns: list[Pattern],
    known: set[str] | None,
) -> dict[str, Any]:
    rows = [_row(number, pattern, len(events), known) for number, pattern in enumerate(patterns, 1)]
    hypotheses = suspect(events, patterns, rows)
    times = [event.time for event in events if event.time]
    levels = Counter(event.level for event in events)
    return {
        "summary": _summary(events, patterns, rows, hypotheses),
        "overview": {
            "sources": [document.name for document in logs],
            "lines_read": lines,
            "events": len(events),
            "first_seen": min(times) if times else None,
            "last_seen": max(times) if times else None,
            "levels": [{"level": level, "count": count} for level, count in levels.most_common()],
        },
        "patterns": rows,
        "hypotheses": hypotheses,
        "negative_tests": provoke(patterns, rows),
        "gaps": numbered(_gaps(events, patterns, known)),
        "assumptions": [],
    }


def _row(number: int, pattern: Pattern, total: int, known: set[str] | None) -> dict[str, Any]:
    times = [event.time for event in pattern.events if event.time]
    worse = pattern.level in {"fatal", "error", "warning"}
    if known is None:
        new, basis = worse, "No baseline of known patterns was given: warnings and worse count as new."
        basis = basis if worse else "No baseline was given; informational patterns are not counted as new."
    else:
        new = pattern.signature not in known
        basis = "It is not in the baseline." if new else "The baseline contains it."
    return {
        "id": f"PAT-{number:03}",
        "signature": hide_secrets(pattern.signature),
        "example": hide_secrets(pattern.events[0].text),
        "count": len(pattern.events),
        "first_seen": min(times) if times else None,
        "last_seen": max(times) if times else None,
        "level": pattern.level,
        "severity": pattern.severity,
        "trend": pattern.trend(total),
        "component": pattern.component,
        "is_new": new,
        "novelty_basis": basis,
    }


def _baseline(material: Material) -> set[str] | None:
    """Return known signatures: a baseline document, a 'Known patterns' part, or an earlier answer."""
    texts = [document.text for document in material.documents if _BASELINE.search(document.name)]
    texts += [
        part.group(1) for document in material.documents for part in _KNOWN_PART.finditer(document.text)
    ]
    known = known_signatures(texts) if texts else None
    for answer in material.earlier_answers:
        value = parse_json(answer)
        rows = value.get("patterns") if isinstance(value, dict) else None
        listed = {str(row.get("signature")) for row in rows or [] if isinstance(row, dict)}
        known = (known or set()) | listed if listed else known
    return known


def _gaps(events: list[Event], patterns: list[Pattern], known: set[str] | None) -> list[dict[str, Any]]:
    if not events:
        words = "No log events were found: no line has a time or a level."
        return [gap("critical", "missing_data", words, "Which log, of which hours, should be read?")]
    found = []
    if timeless := sum(event.time is None for event in events):
        words = f"{timeless} events carry no time."
        found.append(gap("medium", "missing_data", words, "Which format writes the time?"))
    if known is None:
        words = "No baseline of known patterns was given."
        found.append(gap("low", "missing_data", words, "Which patterns are known and accepted?"))
    if (left := len({mask(event.message) for event in events}) - len(patterns)) > 0:
        words = f"{left} kinds of message are not listed."
        found.append(gap("medium", "scope", words, "Which component comes next?"))
    if injected := next((event for event in events if _INJECTION.search(event.message)), None):
        words = "A value reads like an attempt to inject instructions or code; it was treated as data."
        ask = "Who sent it, and is the field cleaned before it is shown?"
        found.append(gap("high", "compliance", words, ask, quote=hide_secrets(injected.text)))
    if any(hide_secrets(event.text) != event.text for event in events):
        words = "The log contains secrets or e-mail addresses; they are hidden here."
        found.append(gap("high", "compliance", words, "Who may read this log, and when is it cleaned?"))
    return found


def _summary(
    events: list[Event], patterns: list[Pattern], rows: list[dict[str, Any]], hypotheses: list[dict[str, Any]]
) -> str:
    if not events:
        return f"{NOTICE} The input holds no log events, so nothing can be said about a system. Please give a log with times or levels."
    bad = [row for row in rows if row["severity"] in {"critical", "high"}]
    times = [event.time for event in events if event.time]
    parts = [
        NOTICE,
        f"{len(events)} events were read" + (f", from {min(times)} to {max(times)}." if times else "."),
    ]
    if not bad:
        parts.append("Nothing in them suggests harm to users.")
    else:
        occurrences = sum(row["count"] for row in bad)
        often = "once" if bad[0]["count"] == 1 else f"{bad[0]['count']} times"
        parts.append(
            f"{len(bad)} kinds of problem that people are likely to notice occur {occurrences} times in all."
        )
        parts.append(
            f"The one to look at first concerns {bad[0]['component'] or 'the system'} and occurs {often}."
        )
        growing = sorted({row["component"] or "?" for row in bad if row["trend"] == "rising"})
        if growing:
            parts.append(f"It is getting worse in: {', '.join(growing)}.")
    if hypotheses:
        parts.append("What to check next is listed with the suspected causes.")
    return " ".join(parts)

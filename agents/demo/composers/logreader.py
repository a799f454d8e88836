"""Log lines become patterns, hypotheses on their causes, and negative tests."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from agents.demo import NOTICE
from agents.demo.logs.events import Event, is_log, read_events
from agents.demo.logs.patterns import MOST, Pattern, hide_secrets, known_signatures, mask, mine
from agents.demo.material import Document, Material
from agents.demo.room import fit
from agents.demo.stories.gaps import gap, numbered
from agents.demo.structured import parse_json

_BASELINE = re.compile(r"\b(?:baseline|known)\b", re.IGNORECASE)
_KNOWN_PART = re.compile(r"(?im)^#*\s*known patterns:?\s*$([\s\S]*?)(?=^#|\Z)")
_CHANGE = re.compile(
    r"\b(?:deploy|started on|restart|upgrad|migrat|config(?:uration)? changed|release|previous build)\b", re.I
)
_INJECTION = re.compile(r"ignore (?:all |previous |above )*instructions|<script|';\s*drop|\$\{jndi", re.I)
_PROVOKE = (
    (r"did not answer|timeout|timed out|unavailable", "Delay the other system beyond its time limit", "A clear message within the limit; nothing is half-done; an alert after repeated failures"),
    (r"pool exhausted|too many connections", "Hold all connections of the pool and send one more request", "The request waits for a bounded time, then is refused cleanly; the pool recovers by itself"),
    (r"429|rate limit|too many requests", "Let the other system refuse with 429 and a waiting time", "The waiting time is honoured, retries are bounded, other functions go on"),
    (r"NoneType|null pointer|undefined|AttributeError|KeyError", "Use a record in which the missing field is empty", "The page shows what is there; the error is handled and recorded once"),
    (r"password|sign-in failed|login failed|unauthor", "Repeat a wrong password up to the limit and once beyond", "The account or address is slowed or locked as specified; the message reveals nothing"),
    (r"no patient record|no match|not found|unknown", "Send a record that matches nothing", "It lands in a queue that somebody is told about, and can be corrected and replayed"),
    (r"disk|memory|space", "Fill the volume to the limit in a test environment", "An alert long before; writes fail cleanly; no file is cut off"),
    (r"deferred|smtp|mail", "Let the mail server answer 451, then accept", "The message is sent once, later; the delay is visible"),
    (r"slow|took", "Run the operation with ten times the data", "It stays within its target or says that it takes longer"),
)  # fmt: skip


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the reliability engineer, with as many patterns as there is room for."""
    known = _baseline(material)
    logs = tuple(document for document in material.documents if not _BASELINE.search(document.name))
    events, lines = read_events(replace(material, documents=logs))
    if not is_log(events):
        events = []
    patterns = mine(events)
    if material.focus:
        wanted = [
            item
            for item in patterns
            if any(word in f"{item.component} {item.signature}".lower() for word in material.focus)
        ]
        patterns = wanted or patterns
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
    hypotheses = _hypotheses(events, patterns, rows)
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
        "negative_tests": _tests(patterns, rows),
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


def _hypotheses(
    events: list[Event], patterns: list[Pattern], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    bad = [
        (pattern, row)
        for pattern, row in zip(patterns, rows, strict=True)
        if row["severity"] in {"critical", "high", "medium"}
    ]
    rising = [(pattern, row) for pattern, row in bad if row["trend"] == "rising"]
    change = next((event for event in events if _CHANGE.search(event.message)), None)
    if len(rising) >= 2:
        names = sorted({pattern.component or "?" for pattern, _ in rising})
        found.append(
            _hypothesis(
                f"One shortage makes {', '.join(names)} fail together: their failures grow in the same part of the log.",
                0.5 if len(rising) > 2 else 0.3,
                rising,
                None,
                "Put the counts per minute of these patterns beside saturation of pools, processors and the other systems.",
            )
        )
    if change and rising:
        found.append(
            _hypothesis(
                f"The change recorded as '{hide_secrets(change.message)[:120]}' brought it about.",
                0.3,
                rising[:3],
                "Order in time alone; the log does not show the same hours before the change.",
                "Compare with the same hours before the change, or take it back on one node.",
                [change],
            )
        )
    for pattern, row in bad:
        if pattern.events[0].continuation:
            cause = hide_secrets(pattern.events[0].continuation[-1])
            place = next(
                (
                    line
                    for line in pattern.events[0].continuation
                    if re.search(r"\bline \d+|\.java:\d+|at \w", line)
                ),
                "",
            )
            found.append(
                _hypothesis(
                    f"A record lacks a value that the code takes for granted ({cause[:120]}).",
                    0.9,
                    [(pattern, row)],
                    None,
                    f"Read the code at {hide_secrets(place)[:120] or 'the top of the stack trace'} and the record named in the event.",
                )
            )
    return [
        {"id": f"HYP-{number:03}", **item}
        for number, item in enumerate(sorted(found, key=lambda item: -item["confidence"]), 1)
    ]


def _hypothesis(
    statement: str,
    confidence: float,
    behind: list[tuple[Pattern, dict[str, Any]]],
    against: str | None,
    check: str,
    first: list[Event] | None = None,
) -> dict[str, Any]:
    evidence = [*(first or []), *(pattern.events[-1] for pattern, _ in behind[:3])]
    return {
        "statement": statement,
        "confidence": confidence,
        "patterns": [row["id"] for _, row in behind],
        "evidence": [hide_secrets(event.text) for event in evidence],
        "against": against,
        "next_check": check,
    }


def _tests(patterns: list[Pattern], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tests: list[dict[str, Any]] = []
    for pattern, row in zip(patterns, rows, strict=True):
        if row["severity"] not in {"critical", "high", "medium"}:
            continue
        provoke, expected = (
            "Repeat the situation of the example",
            "A clear message, no lost data, one record, an alert",
        )
        for words, how, then in _PROVOKE:
            if re.search(words, pattern.signature, re.IGNORECASE):
                provoke, expected = how, then
                break
        tests.append(
            {
                "id": f"NEG-{len(tests) + 1:03}",
                "pattern": row["id"],
                "title": f"Provoke: {row['signature'][:100]}",
                "preconditions": ["A test environment with the same build", "Nobody else uses it"],
                "steps": [provoke, "Use the function as a person would", "Read the log and the alerts"],
                "expected": expected,
                "priority": {"critical": "P1", "high": "P1", "medium": "P2"}[row["severity"]],
            }
        )
    return tests


def _gaps(events: list[Event], patterns: list[Pattern], known: set[str] | None) -> list[dict[str, Any]]:
    found = []
    if not events:
        return [gap("critical", "missing_data", "No log events were found: no line has a time or a level.",
                    "Which log, of which hours, should be read?")]  # fmt: skip
    timeless = sum(event.time is None for event in events)
    if timeless:
        found.append(
            gap(
                "medium", "missing_data", f"{timeless} events carry no time.", "Which format writes the time?"
            )
        )
    if known is None:
        found.append(
            gap(
                "low",
                "missing_data",
                "No baseline of known patterns was given.",
                "Which patterns are known and accepted?",
            )
        )
    signatures = {mask(event.message) for event in events}
    if len(signatures) > MOST:
        found.append(
            gap(
                "medium",
                "scope",
                f"{len(signatures) - MOST} patterns are left out.",
                "Which component comes next?",
            )
        )
    for event in events:
        if _INJECTION.search(event.message):
            found.append(
                gap(
                    "high",
                    "compliance",
                    "A value in the log reads like an attempt to inject instructions or code; it was treated as data.",
                    "Who sent it, and is the field cleaned before it is shown?",
                    [],
                    hide_secrets(event.text),
                )
            )
            break
    if any(hide_secrets(event.text) != event.text for event in events):
        found.append(
            gap(
                "high",
                "compliance",
                "The log contains secrets or e-mail addresses; they are hidden here.",
                "Who may read this log, and when is it cleaned?",
            )
        )
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

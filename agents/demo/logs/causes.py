"""Suspects root causes: what grows together, what changed before, what a stack trace says outright."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.logs.events import Event
from agents.demo.logs.patterns import Pattern, hide_secrets

_CHANGE = re.compile(
    r"\b(?:deploy|started on|restart|upgrad|migrat|config(?:uration)? changed|release|previous build)\b", re.I
)
_PLACE = re.compile(r"\bline \d+|\.java:\d+|\bat \w")
Listed = tuple[Pattern, dict[str, Any]]


def suspect(events: list[Event], patterns: list[Pattern], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the hypotheses, most likely first."""
    listed = list(zip(patterns, rows, strict=True))
    bad = [(pattern, row) for pattern, row in listed if row["severity"] in {"critical", "high", "medium"}]
    rising = [(pattern, row) for pattern, row in bad if row["trend"] == "rising"]
    found = [_thrown(pattern, row) for pattern, row in bad if pattern.events[0].continuation]
    if len(rising) >= 2:
        found.append(_together(rising))
    if rising and (change := next((event for event in events if _CHANGE.search(event.message)), None)):
        found.append(_changed(change, rising))
    found.sort(key=lambda item: -item["confidence"])
    return [{"id": f"HYP-{number:03}", **item} for number, item in enumerate(found, 1)]


def _thrown(pattern: Pattern, row: dict[str, Any]) -> dict[str, Any]:
    """A stack trace states its cause itself."""
    lines = [hide_secrets(line) for line in pattern.events[0].continuation]
    place = next((line for line in lines if _PLACE.search(line)), "the top of the stack trace")
    return _hypothesis(
        f"A record lacks a value that the code takes for granted ({lines[-1][:120]}).",
        0.9,
        [(pattern, row)],
        f"Read the code at {place[:120]}, and the record named in the event.",
    )


def _together(rising: list[Listed]) -> dict[str, Any]:
    names = sorted({pattern.component or "?" for pattern, _ in rising})
    return _hypothesis(
        f"One shortage makes {', '.join(names)} fail together: their failures grow in the same part of the log.",
        0.5 if len(rising) > 2 else 0.3,
        rising,
        "Put the counts per minute of these patterns beside saturation of pools, processors and other systems.",
    )


def _changed(change: Event, rising: list[Listed]) -> dict[str, Any]:
    """Order in time alone never makes more than a weak suspicion."""
    found = _hypothesis(
        f"The change recorded as '{hide_secrets(change.message)[:120]}' brought it about.",
        0.3,
        rising[:3],
        "Compare with the same hours before the change, or take it back on one node.",
    )
    found["evidence"].insert(0, hide_secrets(change.text))
    found["against"] = "Order in time alone; the log does not show the same hours before the change."
    return found


def _hypothesis(statement: str, confidence: float, behind: list[Listed], check: str) -> dict[str, Any]:
    return {
        "statement": statement,
        "confidence": confidence,
        "patterns": [row["id"] for _, row in behind],
        "evidence": [hide_secrets(pattern.events[-1].text) for pattern, _ in behind[:3]],
        "against": None,
        "next_check": check,
    }

"""Writes tests that provoke a logged failure on purpose."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.logs.patterns import Pattern

#: (words of the pattern, how to provoke it, what a good product does instead)
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
_OTHERWISE = ("Repeat the situation of the example", "A clear message, no lost data, one record, an alert")
_PRIORITY = {"critical": "P1", "high": "P1", "medium": "P2"}


def provoke(patterns: list[Pattern], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one test for each pattern of medium severity and above."""
    tests: list[dict[str, Any]] = []
    for pattern, row in zip(patterns, rows, strict=True):
        if row["severity"] not in _PRIORITY:
            continue
        how, expected = _way(pattern)
        tests.append(
            {
                "id": f"NEG-{len(tests) + 1:03}",
                "pattern": row["id"],
                "title": f"Provoke: {row['signature'][:100]}",
                "preconditions": ["A test environment with the same build", "Nobody else uses it"],
                "steps": [how, "Use the function as a person would", "Read the log and the alerts"],
                "expected": expected,
                "priority": _PRIORITY[row["severity"]],
            }
        )
    return tests


def _way(pattern: Pattern) -> tuple[str, str]:
    for words, how, expected in _PROVOKE:
        if re.search(words, pattern.signature, re.IGNORECASE):
            return how, expected
    return _OTHERWISE

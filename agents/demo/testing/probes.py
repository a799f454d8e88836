"""Negative cases and boundary probes that follow from the criteria."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.released import Story

_REFUSED = re.compile(
    r"\brefus|\breject|\bdenied|\block|\bnot accept|\bnobody|\binvalid|\berror", re.IGNORECASE
)
MOST_PER_STORY = 4


def negative_cases(stories: list[Story]) -> list[dict[str, Any]]:
    """Return the refusals the criteria demand, and one attempt without permission per story."""
    rows: list[dict[str, Any]] = []
    for story in stories:
        if not story.criteria:
            continue
        refusals = [item for item in story.criteria if _REFUSED.search(item.then)][: MOST_PER_STORY - 1]
        for item in refusals:
            condition = f"Given {item.given}: {item.when}"
            expected = f"{item.then[:1].upper()}{item.then[1:]}; nothing else has changed"
            rows.append(_negative(len(rows), story.id, condition, expected, "P2", [item.id]))
        condition = f"Somebody who is not a {story.persona or 'permitted person'} reaches '{story.title}'"
        expected = "Refused as if it did not exist; the attempt is recorded"
        rows.append(_negative(len(rows), story.id, condition, expected, "P1", [story.id]))
    return rows


def _negative(
    count: int, story: str, condition: str, expected: str, priority: str, traces: list[str]
) -> dict[str, Any]:
    return {
        "id": f"NEG-{count + 1:03}",
        "story": story,
        "condition": condition,
        "expected": expected,
        "priority": priority,
        "traces_to": traces,
    }


def boundary_cases(stories: list[Story]) -> list[dict[str, Any]]:
    """Return probes on and around every limit of the criteria."""
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for story in stories:
        for criterion in story.criteria:
            for limit in criterion.limits:
                key = (story.id, limit.phrase.lower())
                if limit.kind == "figure" or key in seen:
                    continue
                seen.add(key)
                # "When it has more than 3, then it is refused": what is within the phrase is what is refused.
                refusing = limit.phrase not in criterion.then and bool(_REFUSED.search(criterion.then))
                rows.append(
                    {
                        "id": f"BND-{len(rows) + 1:03}",
                        "story": story.id,
                        "subject": criterion.then[:90],
                        "limit": limit.phrase,
                        "values": [
                            {"value": value, "expected": "refused" if within == refusing else "accepted"}
                            for value, within in limit.probes()
                        ],
                        "traces_to": [criterion.id],
                    }
                )
    return rows

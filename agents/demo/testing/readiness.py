"""Judges whether a sprint may start, point by point."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.released import Story

READY_PERCENT, CONDITIONAL_PERCENT = 90, 75


def judge(stories: list[Story], coverage: dict[str, Any], gaps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return checks, blockers and the verdict. A point without evidence in the input is not met."""
    text = " ".join(item.text for story in stories for item in story.criteria)
    critical = [item["description"] for item in gaps if item["severity"] == "critical"]
    high = [item["description"] for item in gaps if item["severity"] == "high"]
    percent = coverage["percent"]
    checks = [
        _check("Every story names a persona and a benefit", bool(stories) and all(s.persona and s.benefit for s in stories), "Read from the stories"),
        _check("Every story has five to eight criteria", bool(stories) and all(5 <= len(s.criteria) <= 8 for s in stories), "Counted"),
        _check("No critical gap is open", bool(stories) and not critical, "; ".join(critical) or "None found"),
        _check("No high gap is open", bool(stories) and not high, "; ".join(high[:3]) or "None found"),
        _check("Limits are stated in numbers", bool(re.search(r"\d", text)), "Numbers occur in the criteria" if re.search(r"\d", text) else "No number found"),
        _check(f"Coverage is {READY_PERCENT} % or more", percent >= READY_PERCENT, f"{percent} %"),
        _check("Test environment and data are named", False, "The input does not name them"),
    ]  # fmt: skip
    blockers = [*critical, *high]
    if critical or percent < CONDITIONAL_PERCENT:
        verdict = "not_ready"
    else:
        verdict = "ready" if all(check["met"] for check in checks) else "conditional"
    if verdict == "not_ready" and not blockers:
        blockers = [f"Only {percent} % of the criteria are covered"]
    return {"verdict": verdict, "checks": checks, "blockers": blockers}


def _check(what: str, met: bool, note: str) -> dict[str, Any]:
    return {"check": what, "met": met, "note": note}

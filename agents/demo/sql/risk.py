"""Adds up the risk of a change, each factor once, and draws the decision from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.demo.sql.changes import Change

Rows = list[dict[str, Any]]
SLOWER_PERCENT = 50


def score(
    changes: list[Change],
    integrity: Rows,
    etl: dict[str, Any],
    queries: Rows,
    environment: str,
    rollback: bool,
    transactional: bool,
) -> dict[str, Any]:
    """Return score, level and factors by the table of the prompt."""
    factors: list[dict[str, Any]] = []

    def add(points: int, factor: str, evidence: str | None) -> None:
        if evidence:
            factors.append({"factor": factor, "points": points, "evidence": evidence})

    add(30, "Rows or values can be lost", _first(changes, lambda item: "loss" in item.effect.flags))
    add(
        30,
        "DELETE or UPDATE without a condition",
        _first(changes, lambda item: "unconditional" in item.effect.flags),
    )
    add(
        20,
        "The previous application version breaks",
        _first(changes, lambda item: not item.effect.compatible),
    )
    if changes:
        add(
            15,
            "No rollback in the input",
            None if rollback else "The input holds no statements that lead back",
        )
    blocking = _first(
        changes, lambda item: "full_lock" in item.effect.flags and item.effect.lock == "reads_and_writes"
    )
    add(15, "Blocks reads and writes of an existing table", blocking)
    if not blocking:
        add(
            8,
            "Blocks writes of an existing table",
            _first(changes, lambda item: item.effect.lock == "writes"),
        )
    add(
        10,
        "Constraint over existing rows without a validation step",
        _first(changes, lambda item: "validates" in item.effect.flags),
    )
    unsafe = _first(changes, lambda item: "not_repeatable" in item.effect.flags)
    add(5, "Cannot run twice, or is not one transaction", unsafe if not transactional else None)
    keys = next(
        (
            row["id"]
            for row in integrity
            if "foreign key" in row["finding"] or "silently deletes" in row["finding"]
        ),
        None,
    )
    add(5, "Foreign key without index, or a cascade that deletes", keys)
    add(15, "Privileges are widened", _first(changes, lambda item: "privileges" in item.effect.flags))
    add(
        20,
        "Data movement differs or is not measured",
        next((row["evidence"] for row in etl["checks"] if row["status"] != "match"), None),
    )
    slower = next((row["id"] for row in queries if (row["regression_percent"] or 0) > SLOWER_PERCENT), None)
    add(15, "A query is slower by more than 50 %", slower)
    if changes and environment in {"production", "unknown"}:
        add(10, "Meant for production, or the environment is not stated", f"Environment: {environment}")
    total = min(100, sum(item["points"] for item in factors))
    level = "low" if total <= 30 else "medium" if total <= 50 else "high" if total <= 70 else "critical"
    return {"score": total, "level": level, "factors": factors}


def decide(
    changes: list[Change], etl: dict[str, Any], queries: Rows, environment: str, rollback: bool
) -> dict[str, Any]:
    """Return the gate decision with its reasons and conditions."""
    if not changes and not etl["checks"] and not queries:
        reason = "The input holds no change, no data movement and no statistics"
        return {"verdict": "pending", "reasons": [reason], "conditions": ["Give the migration script"]}
    failing, missing = _failing(changes, etl), _missing(changes, etl, environment, rollback)
    conditions = [condition for _, condition in (*failing, *missing)]
    if any((row["regression_percent"] or 0) > SLOWER_PERCENT for row in queries):
        conditions.append("Show a plan that brings the slower query back")
    verdict = "fail" if failing else "pending" if missing else "pass"
    reasons = [reason for reason, _ in (*failing, *missing)] or ["Nothing found that speaks against it"]
    return {"verdict": verdict, "reasons": reasons[:12], "conditions": list(dict.fromkeys(conditions))[:12]}


def _failing(changes: list[Change], etl: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (reason, condition that lifts it) for what must not go on as it is."""
    found = []
    for change in changes:
        shown = change.statement.shown
        if "unconditional" in change.effect.flags:
            reason = f"A statement without a condition: {shown[:120]}"
            found.append((reason, f"Limit it to the rows that are meant: {shown[:80]}"))
        elif "loss" in change.effect.flags:
            reason = f"Possible loss of data without a procedure: {shown[:120]}"
            found.append((reason, f"Keep a copy, proved by a count, before: {shown[:80]}"))
    if any(row["status"] == "mismatch" for row in etl["checks"]):
        condition = "Explain and repair every difference, then measure again"
        found.append(("A data movement does not match", condition))
    return found


def _missing(
    changes: list[Change], etl: dict[str, Any], environment: str, rollback: bool
) -> list[tuple[str, str]]:
    """Return (reason, condition) for information without which nobody can decide."""
    found = []
    if any(row["status"] == "not_measured" for row in etl["checks"]):
        found.append(("A data movement is not measured", "Measure the missing counts"))
    if changes and not rollback:
        found.append(("The way back is missing", "Provide and rehearse the rollback"))
    if changes and environment == "unknown":
        found.append(("The target environment is not stated", "State where it will run, and when"))
    if any(change.blocks for change in changes):
        reason = "Sizes of the tables that are blocked are not given"
        found.append((reason, "State the sizes, and set a lock_timeout"))
    return found


def _first(changes: list[Change], condition: Callable[[Change], bool]) -> str | None:
    return next((change.statement.shown for change in changes if condition(change)), None)

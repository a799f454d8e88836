"""Migration SQL, ETL results and query statistics become a diff, findings, a risk score and a decision."""

from __future__ import annotations

import re
from typing import Any

from agents.demo import NOTICE
from agents.demo.material import Material
from agents.demo.room import fit
from agents.demo.sql.changes import Change, read_changes
from agents.demo.sql.integrity import find_threats
from agents.demo.sql.measured import read_etl, read_queries
from agents.demo.sql.risk import decide, score
from agents.demo.sql.statements import Statement, read_statements
from agents.demo.stories.gaps import gap, numbered

_ENVIRONMENT = re.compile(
    r"\b(?:target|environment|run on|deploy(?:ed)? (?:to|on)|for)\s{0,3}[:=]?\s{0,3}(?:the\s)?(production|staging|test|development)\b",
    re.I,
)
_ROLLBACK = re.compile(
    r"^[ \t]{0,20}(?:--|#)[-#]{0,8}[ \t]{0,20}(?:rollback|down|revert)\b|\bdown\.sql\b|\brollback script\b",
    re.I | re.M,
)


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the database engineer, with as many changes as there is room for."""
    statements = read_statements(material)
    changes = read_changes(statements)
    changes = material.narrow(changes, lambda change: change.statement.flat)
    count = len(changes)
    return fit(
        lambda size: _answer(material, statements, changes, size), (count, 60, 30, 15, 5), material.room
    )


def _answer(
    material: Material, statements: list[Statement], changes: list[Change], size: int
) -> dict[str, Any]:
    # The verdict always rests on every change; only the listing is shortened.
    integrity = find_threats(changes, material.everything)
    checks, queries = read_etl(material), read_queries(material)
    etl = {"valid": all(row["status"] == "match" for row in checks) if checks else None, "checks": checks}
    named = _ENVIRONMENT.search(material.everything)
    environment = named.group(1).lower() if named else "unknown"
    rollback = bool(_ROLLBACK.search(material.everything))
    transactional = any(re.match(r"(?:BEGIN|START TRANSACTION)\b", item.flat, re.I) for item in statements)
    risk = score(changes, integrity, etl, queries, environment, rollback, transactional)
    decision = decide(changes, etl, queries, environment, rollback)
    return {
        "summary": _summary(changes, integrity, etl, risk, decision),
        "schema_diff": [change.as_row(number) for number, change in enumerate(changes[:size], 1)],
        "integrity": integrity[:size] if size < len(changes) else integrity,
        "etl": etl,
        "queries": queries,
        "migration": _migration(changes, environment, rollback, transactional),
        "risk": risk,
        "decision": decision,
        "gaps": numbered(_gaps(changes, checks, queries, environment, rollback, size)),
        "assumptions": _assumptions(material, changes),
    }


def _migration(
    changes: list[Change], environment: str, rollback: bool, transactional: bool
) -> dict[str, Any]:
    gone = [change.object for change in changes if change.effect.data_loss]
    back = [
        _reverse(change)
        for change in reversed(changes)
        if change.change == "added" and change.kind in {"table", "column", "index"}
    ]
    words = "; ".join(back[:10]) or "No statement of the script can simply be turned round"
    if gone:
        words += f". Only a backup brings back: {', '.join(dict.fromkeys(gone))}"
    return {
        "environment": environment,
        "transactional": transactional,
        "rollback_provided": rollback,
        "rollback": words,
        "steps": _steps(changes),
        "preconditions": [
            "A backup whose restore was rehearsed",
            "Sizes of the tables are known",
            "lock_timeout is set",
        ]
        if changes
        else [],
    }


def _steps(changes: list[Change]) -> list[str]:
    """Order: add first, move data and compare, switch, remove last."""
    if not changes:
        return ["Nothing to deploy was found"]
    added = [change.object for change in changes if change.change == "added"]
    moved = [
        change.object for change in changes if change.kind == "data" and not change.effect.flags & {"loss"}
    ]
    last = [
        change.object
        for change in changes
        if change.change in {"dropped", "renamed"} or "loss" in change.effect.flags
    ]
    steps = []
    if added:
        steps.append(f"Add: {', '.join(dict.fromkeys(added))}")
    if moved:
        steps.append(f"Move data: {', '.join(dict.fromkeys(moved))}; compare counts and checksums")
    steps.append("Release the application that uses the new form; watch errors and query times")
    if last:
        steps.append(f"One release later, and from here without a way back: {', '.join(dict.fromkeys(last))}")
    return steps


def _reverse(change: Change) -> str:
    table, _, name = change.object.partition(".")
    if change.kind == "column":
        return f"ALTER TABLE {table} DROP COLUMN {name}"
    return f"DROP {change.kind.upper()} {name if change.kind == 'index' else change.object}"


def _gaps(
    changes: list[Change],
    checks: list[dict[str, Any]],
    queries: list[dict[str, Any]],
    environment: str,
    rollback: bool,
    size: int,
) -> list[dict[str, Any]]:
    if not changes and not checks and not queries:
        words = "No SQL, no ETL result and no query statistics were found."
        return [gap("critical", "missing_data", words, "Which change should be reviewed?")]
    found = []
    if changes and environment == "unknown":
        found.append(
            gap(
                "high",
                "missing_value",
                "The target environment is not stated.",
                "Where will it run, and when?",
            )
        )
    if changes and not rollback:
        found.append(
            gap(
                "high",
                "missing_data",
                "The way back is missing.",
                "Which statements undo it, and which steps need a backup?",
            )
        )
    blocked = list(dict.fromkeys(item.object.split(".")[0] for item in changes if item.blocks))
    if blocked:
        found.append(
            gap(
                "high",
                "missing_value",
                f"The sizes of {', '.join(blocked)} are not given, so nobody can say how long they are blocked.",
                "How many rows and gigabytes does each have?",
            )
        )
    if changes and not checks and any(item.kind == "data" for item in changes):
        found.append(
            gap(
                "medium",
                "missing_data",
                "Data is moved or changed, and no counts are given.",
                "Which counts and checksums hold before and after?",
            )
        )
    if changes and not queries:
        found.append(
            gap(
                "low",
                "missing_data",
                "No query statistics are given.",
                "Which queries use these tables, how often and how fast?",
            )
        )
    if size < len(changes):
        found.append(
            gap(
                "medium",
                "scope",
                f"{len(changes) - size} further changes are judged but not listed.",
                "Which part should be listed next?",
            )
        )
    return found


def _assumptions(material: Material, changes: list[Change]) -> list[dict[str, Any]]:
    if not changes or re.search(
        r"\b(?:postgres\w*|mysql|mariadb|oracle|sql server|sqlite)\b", material.everything, re.IGNORECASE
    ):
        return []
    return [
        {
            "id": "ASM-001",
            "statement": "The database is a current PostgreSQL.",
            "reason": "The input names no system.",
            "impact_if_wrong": "Locks and rewrites differ between systems.",
            "source_refs": ["CHG-001"],
        }
    ]


def _summary(
    changes: list[Change],
    integrity: list[dict[str, Any]],
    etl: dict[str, Any],
    risk: dict[str, Any],
    decision: dict[str, Any],
) -> str:
    if decision["reasons"][0].startswith("The input holds no change"):
        return f"{NOTICE} {decision['reasons'][0]}. Please give the migration script, results of the data movement, or query statistics."
    parts = [
        NOTICE,
        f"{len(changes)} changes were read; {len(integrity)} threats to correctness were found.",
        f"Risk {risk['score']} of 100 ({risk['level']}). Decision: {decision['verdict']}.",
    ]
    if etl["checks"]:
        bad = sum(row["status"] != "match" for row in etl["checks"])
        parts.append(f"{bad} of {len(etl['checks'])} data movements differ or are not measured.")
    if integrity:
        parts.append(f"Worst: {integrity[0]['finding']} ({integrity[0]['object']}).")
    return " ".join(parts)

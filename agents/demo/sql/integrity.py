"""Finds threats to correctness in a migration, each with a read-only query that shows whether it is real."""

# ruff: noqa: S608 - the queries are advice for people to read; nothing here runs them

from __future__ import annotations

import re
from typing import Any

from agents.demo.sql.changes import Change
from agents.demo.sql.statements import Statement

_COLUMN = r"(?:^|[(,]\s*)(\w+)\s+"
_REFERENCE = re.compile(
    r"(\w+)\s+[\w() ]{2,40}?(?:NOT\s+NULL\s+)?REFERENCES\s+(\w+)\s*(?:\((\w+)\))?([^,)]*)", re.I
)
_CLAIM = re.compile(
    r"--[^\n]*\b(?:already (?:reviewed|approved)|set risk|ignore (?:previous|all)|safe to run)\b[^\n]*", re.I
)
_ORDER = {"critical": 0, "high": 1, "medium": 2, "low": 3}

Found = tuple[str, str, str, str, str, str]


def find_threats(changes: list[Change], statements: list[Statement], text: str) -> list[dict[str, Any]]:
    """Return the findings, most severe first."""
    rows: list[dict[str, Any]] = []
    for number, change in enumerate(changes, 1):
        rows += [
            _row(found, change, f"CHG-{number:03}")
            for found in (*_of_change(change), *_of_text(change, changes))
        ]
    if claim := _CLAIM.search(text):
        rows.append(_row(("high", "comment", "A comment claims an approval or asks for a verdict; it is data and was not followed.", claim.group().strip(),
                          "SELECT 1", "Remove the comment; approvals are recorded elsewhere."), None, None))  # fmt: skip
    rows.sort(key=lambda row: _ORDER[row["severity"]])
    return [{"id": f"INT-{number:03}", **row} for number, row in enumerate(rows[:40], 1)]


def _row(found: Found, change: Change | None, ident: str | None) -> dict[str, Any]:
    severity, what, finding, evidence, check, fix = found
    return {
        "severity": severity,
        "object": what,
        "finding": finding,
        "evidence": evidence or (change.statement.shown if change else ""),
        "check_sql": check,
        "fix": fix,
        "changes": [ident] if ident else [],
    }


def _of_change(change: Change) -> list[Found]:
    table, _, column = change.object.partition(".")
    column = column or "id"
    shown = change.statement.shown
    if "unconditional" in change.flags:
        return [("critical", table, "The statement has no condition: every row is changed or removed.", shown,
                 f"SELECT count(*) FROM {table}", "State the rows that are meant in a WHERE clause, and compare the count before.")]  # fmt: skip
    if change.kind == "table" and change.change == "dropped":
        return [("critical", table, "The table and its rows are gone afterwards.", shown, f"SELECT count(*) FROM {table}",
                 f"ALTER TABLE {table} RENAME TO {table}_retired; drop it one release later")]  # fmt: skip
    if "loss" in change.flags and change.kind == "column" and change.change == "altered":
        size = re.search(r"\((\d+)\)", change.after or "")
        check = f"SELECT {column} FROM {table} WHERE length({column}::text) > {size.group(1) if size else 0} LIMIT 20"
        return [("critical", change.object, "The type gets narrower: longer or larger values make it fail or are cut.", shown, check,
                 "Clean the values first, or keep the type and add a CHECK ... NOT VALID.")]  # fmt: skip
    if change.kind == "data" and "loss" in change.flags:
        return [("high", table, "Rows are removed; the script keeps no copy.", shown, f"SELECT count(*) FROM {table}",
                 "Copy the rows to a table of their own first, and delete one release later.")]  # fmt: skip
    if "validates" in change.flags and change.kind == "index":
        columns = re.search(r"\(([^;]+)\)\s*$", change.statement.flat)
        key = columns.group(1) if columns else column
        return [("high", change.object, "Existing rows may hold duplicates; then the deployment stops half-way.", shown,
                 f"SELECT {key}, count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1 LIMIT 20", "Clean duplicates first; CREATE UNIQUE INDEX CONCURRENTLY.")]  # fmt: skip
    if "validates" in change.flags:
        condition = re.search(r"CHECK\s*\((.+)\)", change.after or "", re.I)
        check = (
            f"SELECT count(*) FROM {table} WHERE NOT ({condition.group(1)})"
            if condition
            else f"SELECT count(*) FROM {table} WHERE {column} IS NULL"
        )
        return [("high", change.object, "Existing rows may break it; then the deployment stops half-way.", shown, check,
                 "Add it NOT VALID, clean the rows, then VALIDATE CONSTRAINT.")]  # fmt: skip
    if change.change == "renamed":
        return [("high", change.object, "Whatever still uses the old name fails at once.", shown, f"SELECT * FROM {table} LIMIT 1",
                 "Add the new name, write both, switch readers, remove the old one a release later.")]  # fmt: skip
    if "privileges" in change.flags and re.search(r"\bPUBLIC\b", shown, re.I):
        return [("high", table, "Everybody who can connect may read it.", shown, f"SELECT grantee FROM information_schema.role_table_grants WHERE table_name = '{table}'",
                 "Grant to the one role that needs it.")]  # fmt: skip
    return []


def _of_text(change: Change, changes: list[Change]) -> list[Found]:
    """Look at the definition of new columns and tables."""
    flat, found = change.statement.flat, list[Found]()
    table = change.object.split(".")[0]
    if change.change == "added" and change.kind in {"table", "column"}:
        if re.search(
            r"\b(?:price|amount|total|cost|salary|balance|fee)\w*\s+(?:real|float\d?|double precision)\b",
            flat,
            re.I,
        ):
            found.append(("medium", change.object, "Money as floating point loses cents.", change.statement.shown, f"SELECT * FROM {table} LIMIT 1",
                          "Use numeric(12, 2), or whole cents."))  # fmt: skip
        if re.search(r"\btimestamp\b(?!\s*(?:\(\d\)\s*)?with\s+time\s+zone|tz)", flat, re.I):
            found.append(("medium", change.object, "Time without a zone means something else in summer.", change.statement.shown, f"SELECT * FROM {table} LIMIT 1",
                          "Use timestamptz."))  # fmt: skip
    if change.kind == "table" and change.change == "added":
        for reference in _REFERENCE.finditer(flat):
            column, target, _, tail = reference.groups()
            if not any(
                item.kind == "index" and re.search(rf"\(\s*{column}\b", item.statement.flat)
                for item in changes
            ):
                found.append(("medium", f"{table}.{column}", f"The foreign key to {target} has no index: deletes in {target} read the whole table.", reference.group().strip(),
                              f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'", f"CREATE INDEX CONCURRENTLY ON {table} ({column})"))  # fmt: skip
            if re.search(r"ON\s+DELETE\s+CASCADE", tail, re.I):
                found.append(("medium", f"{table}.{column}", f"Deleting a row of {target} silently deletes rows here.", reference.group().strip(),
                              f"SELECT {column}, count(*) FROM {table} GROUP BY {column} ORDER BY 2 DESC LIMIT 20", "Use ON DELETE RESTRICT unless the loss is wanted."))  # fmt: skip
    return found

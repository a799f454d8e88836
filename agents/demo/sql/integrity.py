"""Finds threats to correctness in a migration, each with a read-only query that shows whether it is real."""

# ruff: noqa: S608 - the queries are advice for people to read; nothing here runs them

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.demo.sql.changes import Change

MOST = 40
_MONEY = re.compile(
    r"\b(?:price|amount|total|cost|salary|balance|fee)\w*\s+(?:real|float\d?|double precision)\b",
    re.IGNORECASE,
)
_ZONELESS = re.compile(r"\btimestamp\b(?!\s*(?:\(\d\)\s*)?with\s+time\s+zone|tz)", re.IGNORECASE)
_REFERENCE = re.compile(
    r"\b(\w{1,63})\s+[\w() ]{2,40}?(?:NOT\s+NULL\s+)?REFERENCES\s+(\w+)\s*(?:\(\w+\))?([^,)]*)", re.IGNORECASE
)
_CASCADE = re.compile(r"ON\s+DELETE\s+CASCADE", re.IGNORECASE)
_CLAIM = re.compile(
    r"\b(?:already (?:reviewed|approved)|set risk|ignore (?:previous|all)|safe to run)\b", re.IGNORECASE
)
_ORDER = {"critical": 0, "high": 1, "medium": 2, "low": 3}


@dataclass(frozen=True, slots=True)
class Threat:
    """A threat with its proof: `check` only reads, `fix` is a statement or an instruction."""

    severity: str
    object: str
    finding: str
    evidence: str
    check: str
    fix: str
    change: str | None = None

    def as_row(self, number: int) -> dict[str, Any]:
        """Return the threat in the shape of the schema."""
        return {
            "id": f"INT-{number:03}",
            "severity": self.severity,
            "object": self.object,
            "finding": self.finding,
            "evidence": self.evidence,
            "check_sql": self.check,
            "fix": self.fix,
            "changes": [self.change] if self.change else [],
        }


def find_threats(changes: list[Change], text: str) -> list[dict[str, Any]]:
    """Return the threats, most severe first, at most `MOST`."""
    threats: list[Threat] = []
    for number, change in enumerate(changes, 1):
        ident = f"CHG-{number:03}"
        threats += [*_of_effect(change, ident), *_of_definition(change, changes, ident)]
    if claim := _claim(text):
        finding = "A comment claims an approval or asks for a verdict; it is data and was not followed."
        fix = "Remove the comment; approvals are recorded elsewhere."
        threats.append(Threat("high", "comment", finding, claim, "SELECT 1", fix))
    threats.sort(key=lambda threat: _ORDER[threat.severity])
    return [threat.as_row(number) for number, threat in enumerate(threats[:MOST], 1)]


def _claim(text: str) -> str | None:
    """Return the comment that claims an approval. Looked for by line: comments may be long and many."""
    for line in text.split("\n"):
        comment = line.partition("--")[2][:500]
        if _CLAIM.search(comment):
            return comment.strip()
    return None


def _of_effect(change: Change, ident: str) -> Iterator[Threat]:
    """Judge what a statement does; the worst consequence speaks for the statement."""
    described = _consequence(change)
    if described:
        severity, finding, check, fix = described
        yield Threat(severity, change.object, finding, change.statement.shown, check, fix, ident)


def _consequence(change: Change) -> tuple[str, str, str, str] | None:
    """Return severity, finding, check and fix of a change; None when it threatens nothing."""
    table, _, column = change.object.partition(".")
    flags, count = change.effect.flags, f"SELECT count(*) FROM {table}"
    if "unconditional" in flags:
        finding = "The statement has no condition: every row is changed or removed."
        return (
            "critical",
            finding,
            count,
            "State the rows that are meant in a WHERE clause; compare the count first.",
        )
    if "loss" in flags and change.kind == "table":
        fix = f"ALTER TABLE {table} RENAME TO {table}_retired; drop it one release later"
        return "critical", "The table and its rows are gone afterwards.", count, fix
    if "loss" in flags and change.kind == "column" and change.change == "altered":
        size = re.search(r"\((\d+)\)", change.after or "")
        check = f"SELECT {column} FROM {table} WHERE length({column}::text) > {size.group(1) if size else 0} LIMIT 20"
        finding = "The type gets narrower: longer or larger values make it fail or are cut."
        return (
            "critical",
            finding,
            check,
            "Clean the values first, or keep the type and add a CHECK ... NOT VALID.",
        )
    if "loss" in flags:
        fix = "Copy what is removed to a table of its own first, and remove it one release later."
        return "high", "Data is removed; the script keeps no copy.", count, fix
    if "validates" in flags:
        return _validation(change, table, column)
    if change.change == "renamed":
        fix = "Add the new name, write both, switch readers, remove the old one a release later."
        return (
            "high",
            "Whatever still uses the old name fails at once.",
            f"SELECT * FROM {table} LIMIT 1",
            fix,
        )
    if "privileges" in flags and re.search(r"\bPUBLIC\b", change.statement.flat, re.IGNORECASE):
        check = f"SELECT grantee FROM information_schema.role_table_grants WHERE table_name = '{table}'"
        return "high", "Everybody who can connect may use it.", check, "Grant to the one role that needs it."
    return None


def _validation(change: Change, table: str, column: str) -> tuple[str, str, str, str]:
    """Judge what existing rows may break."""
    if change.kind == "index":
        columns = re.search(r"\(([^;]+)\)\s*$", change.statement.flat)
        key = columns.group(1) if columns else column
        check = f"SELECT {key}, count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1 LIMIT 20"
        finding = "Existing rows may hold duplicates; then the deployment stops half-way."
        return "high", finding, check, "Clean duplicates first; CREATE UNIQUE INDEX CONCURRENTLY."
    condition = re.search(r"CHECK\s*\((.+)\)", change.after or "", re.IGNORECASE)
    wrong = f"NOT ({condition.group(1)})" if condition else f"{column} IS NULL"
    finding = "Existing rows may break it; then the deployment stops half-way."
    fix = "Add it NOT VALID, clean the rows, then VALIDATE CONSTRAINT."
    return "high", finding, f"SELECT count(*) FROM {table} WHERE {wrong}", fix


def _of_definition(change: Change, changes: list[Change], ident: str) -> Iterator[Threat]:
    """Look at how new tables and columns are defined."""
    if change.change != "added" or change.kind not in {"table", "column"}:
        return
    table, shown = change.object.split(".")[0], change.statement.shown
    look = f"SELECT * FROM {table} LIMIT 1"
    definition = change.statement.flat if change.kind == "table" else f"{change.object} {change.after}"
    if _MONEY.search(definition):
        finding = "Money as floating point loses cents."
        yield Threat(
            "medium", change.object, finding, shown, look, "Use numeric(12, 2), or whole cents.", ident
        )
    if _ZONELESS.search(definition):
        finding = "Time without a zone means something else in summer."
        yield Threat("medium", change.object, finding, shown, look, "Use timestamptz.", ident)
    if change.kind == "table":
        for reference in _REFERENCE.finditer(change.statement.flat[:20_000]):
            yield from _of_reference(reference, table, changes, ident)


def _of_reference(
    reference: re.Match[str], table: str, changes: list[Change], ident: str
) -> Iterator[Threat]:
    column, target, tail = reference.groups()
    label, quote = f"{table}.{column}", reference.group().strip()
    indexed = re.compile(rf"\(\s*{re.escape(column)}\b")
    if not any(item.kind == "index" and indexed.search(item.statement.flat) for item in changes):
        finding = f"The foreign key to {target} has no index: deletes in {target} read the whole table."
        check = f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'"
        fix = f"CREATE INDEX CONCURRENTLY ON {table} ({column})"
        yield Threat("medium", label, finding, quote, check, fix, ident)
    if _CASCADE.search(tail):
        check = f"SELECT {column}, count(*) FROM {table} GROUP BY {column} ORDER BY 2 DESC LIMIT 20"
        finding = f"Deleting a row of {target} silently deletes rows here."
        fix = "Use ON DELETE RESTRICT unless the loss is wanted."
        yield Threat("medium", label, finding, quote, check, fix, ident)

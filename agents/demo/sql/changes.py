"""Classifies statements: what they change, what they block, what can be lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from agents.demo.sql.statements import Statement

_NAME = r"((?:\"[^\"]+\"|[\w$]+)(?:\.(?:\"[^\"]+\"|[\w$]+))?)"
_CREATE = re.compile(
    rf"^CREATE\s+(?:OR\s+REPLACE\s+)?(?:GLOBAL\s+|LOCAL\s+|TEMP(?:ORARY)?\s+|UNLOGGED\s+|MATERIALIZED\s+)*(TABLE|VIEW|FUNCTION|PROCEDURE|TYPE|SEQUENCE|SCHEMA)\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}(.*)$",
    re.I,
)
_INDEX = re.compile(
    rf"^CREATE\s+(UNIQUE\s+)?INDEX\s+(CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}?\s*ON\s+(?:ONLY\s+)?{_NAME}",
    re.I,
)
_DROP = re.compile(
    rf"^DROP\s+(TABLE|VIEW|INDEX|FUNCTION|TYPE|SEQUENCE|SCHEMA|MATERIALIZED VIEW)\s+(CONCURRENTLY\s+)?(?:IF\s+EXISTS\s+)?{_NAME}",
    re.I,
)
_ALTER = re.compile(rf"^ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s+(.*)$", re.I)
_DML = re.compile(
    rf"^(INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO|COPY)\s+(?:ONLY\s+)?{_NAME}(.*)$",
    re.I,
)
_GRANT = re.compile(rf"^(GRANT|REVOKE)\s+(.+?)\s+ON\s+(?:TABLE\s+)?{_NAME}\s+(?:TO|FROM)\s+(.+)$", re.I)
_TRANSACTION = re.compile(r"^(?:BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SET)\b", re.I)
_KINDS = {"procedure": "function", "sequence": "other", "schema": "other", "materialized view": "view"}


@dataclass
class Change:
    """One change with what a reviewer has to know."""

    object: str
    kind: str
    change: str
    statement: Statement
    before: str | None = None
    after: str | None = None
    reversible: bool = True
    data_loss: bool = False
    compatible: bool = True
    lock: str = "none"
    note: str = "Purely additive."
    flags: frozenset[str] = frozenset()

    @property
    def blocks(self) -> bool:
        """Whether an existing table is blocked for a time that depends on its size."""
        return self.lock != "none" and bool(self.flags & {"full_lock", "writes_lock"})

    def as_row(self, number: int) -> dict[str, Any]:
        """Return the change in the shape of the schema."""
        return {
            "id": f"CHG-{number:03}",
            "object": self.object,
            "kind": self.kind,
            "change": self.change,
            "before": self.before,
            "after": self.after,
            "statement": self.statement.shown,
            "line": self.statement.line,
            "reversible": self.reversible,
            "data_loss": self.data_loss,
            "backward_compatible": self.compatible,
            "lock": self.lock,
            "note": self.note,
        }


def read_changes(statements: list[Statement]) -> list[Change]:
    """Return the changes in order. Objects created in the same script block nobody."""
    changes: list[Change] = []
    fresh: set[str] = set()
    for statement in statements:
        for change in _classify(statement):
            table = change.object.lower().split(".")[0]
            if table in fresh and change.lock != "none":
                change.lock, change.note = "none", f"{change.note} The table is new, so nobody waits."
            if change.kind == "table" and change.change == "added":
                fresh.add(change.object.lower())
            changes.append(change)
    return changes


def _classify(statement: Statement) -> Iterator[Change]:
    flat = statement.flat
    if _TRANSACTION.match(flat):
        return
    if found := _INDEX.match(flat):
        yield _index(statement, found)
    elif found := _CREATE.match(flat):
        kind = found.group(1).lower()
        yield Change(found.group(2), _KINDS.get(kind, kind), "added", statement, None, flat[:300])
    elif found := _DROP.match(flat):
        kind = found.group(1).lower()
        loses = kind in {"table", "schema"}
        yield Change(found.group(3), _KINDS.get(kind, kind), "dropped", statement, None, None, not loses, loses, False,
                     "reads_and_writes", "Rows go with it; only a backup brings them back." if loses else "Whatever uses it breaks.",
                     frozenset({"loss"} if loses else ()))  # fmt: skip
    elif found := _ALTER.match(flat):
        for part in _split_actions(found.group(2)):
            yield _alter(statement, found.group(1), part)
    elif found := _DML.match(flat):
        yield _data(statement, found)
    elif found := _GRANT.match(flat):
        widened = found.group(1).upper() == "GRANT"
        public = bool(re.search(r"\bPUBLIC\b", found.group(4), re.I))
        note = (
            "Everybody who can connect gets the right."
            if public
            else f"The right goes to {found.group(4)[:60]}."
        )
        yield Change(found.group(3), "permission", "altered", statement, None, flat[:300], note=note if widened else "A right is taken away.",
                     compatible=widened, flags=frozenset({"privileges"} if widened else ()))  # fmt: skip
    else:
        yield Change(flat.split(" ")[1][:60] if " " in flat else flat[:60], "other", "altered", statement, None, flat[:300],
                     lock="unknown", note="Not classified by the rules; read it by hand.")  # fmt: skip


def _index(statement: Statement, found: re.Match[str]) -> Change:
    unique, concurrent, name, table = found.groups()
    change = Change(
        f"{table}.{name or '(unnamed index)'}", "index", "added", statement, None, statement.flat[:300]
    )
    change.lock = "none" if concurrent else "writes"
    change.note = (
        "Built without blocking."
        if concurrent
        else "Blocks writes while it is built; how long depends on the size of the table."
    )
    change.flags = frozenset({"writes_lock"} if not concurrent else ())
    if unique:
        change.flags |= {"validates"}
        change.compatible = False
        change.note += " Fails when existing rows hold duplicates."
    return change


def _alter(statement: Statement, table: str, action: str) -> Change:
    if found := re.match(
        rf"ADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?!CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE){_NAME}\s+(.*)$",
        action,
        re.I,
    ):
        return _add_column(statement, table, found.group(1), found.group(2))
    if found := re.match(rf"DROP\s+COLUMN\s+(?:IF\s+EXISTS\s+)?{_NAME}", action, re.I):
        return Change(f"{table}.{found.group(1)}", "column", "dropped", statement, None, None, False, True, False, "reads_and_writes",
                      "Its values go with it; only a backup brings them back.", frozenset({"loss", "breaks", "full_lock"}))  # fmt: skip
    if found := re.match(rf"ALTER\s+(?:COLUMN\s+)?{_NAME}\s+(?:SET\s+DATA\s+)?TYPE\s+(.*)$", action, re.I):
        narrow = bool(
            re.search(r"\b(?:var)?char\s*\(|\bsmallint|\binteger\b|\breal\b|\bdate\b", found.group(2), re.I)
        )
        note = "May rewrite the table and blocks everybody while it does." + (
            " Longer or larger values do not fit." if narrow else ""
        )
        flags = {"full_lock", *({"loss"} if narrow else ())}
        return Change(f"{table}.{found.group(1)}", "column", "altered", statement, None, found.group(2)[:200], not narrow, narrow, not narrow,
                      "reads_and_writes", note, frozenset(flags))  # fmt: skip
    if found := re.match(rf"ALTER\s+(?:COLUMN\s+)?{_NAME}\s+SET\s+NOT\s+NULL", action, re.I):
        return Change(f"{table}.{found.group(1)}", "column", "altered", statement, None, "NOT NULL", True, False, False, "reads_and_writes",
                      "Reads every row; fails when one is empty.", frozenset({"validates", "full_lock"}))  # fmt: skip
    if found := re.match(rf"RENAME\s+(?:COLUMN\s+)?(?:{_NAME}\s+)?TO\s+{_NAME}", action, re.I):
        what = f"{table}.{found.group(1)}" if found.group(1) else table
        return Change(what, "column" if found.group(1) else "table", "renamed", statement, found.group(1) or table, found.group(2), True, False,
                      False, "reads_and_writes", "Short lock, but the previous application version fails at once.", frozenset({"breaks"}))  # fmt: skip
    if re.match(r"ADD\b", action, re.I):
        return _constraint(statement, table, action)
    if found := re.match(rf"DROP\s+CONSTRAINT\s+(?:IF\s+EXISTS\s+)?{_NAME}", action, re.I):
        return Change(f"{table}.{found.group(1)}", "constraint", "dropped", statement, None, None, True, False, True, "reads_and_writes",
                      "Wrong rows are no longer refused; adding it again may fail.")  # fmt: skip
    return Change(table, "table", "altered", statement, None, action[:200], lock="reads_and_writes", note="Takes the strongest lock, as most ALTER TABLE do.",
                  flags=frozenset({"full_lock"}))  # fmt: skip


def _add_column(statement: Statement, table: str, name: str, rest: str) -> Change:
    change = Change(f"{table}.{name}", "column", "added", statement, None, rest[:200])
    required, default = re.search(r"NOT\s+NULL", rest, re.I), re.search(r"\bDEFAULT\b", rest, re.I)
    volatile = re.search(
        r"\bDEFAULT\s+(?:random|clock_timestamp|gen_random_uuid|uuid_generate|nextval)", rest, re.I
    )
    change.lock, change.note = "reads_and_writes", "Short lock; no rewrite."
    if required and not default:
        change.compatible, change.flags = False, frozenset({"breaks", "validates"})
        change.note = "Fails on a table with rows, and the previous version cannot insert."
    elif volatile:
        change.note, change.flags = (
            "Rewrites the table and blocks everybody while it does.",
            frozenset({"full_lock"}),
        )
    return change


def _constraint(statement: Statement, table: str, action: str) -> Change:
    named = re.search(rf"CONSTRAINT\s+{_NAME}", action, re.I)
    later = bool(re.search(r"NOT\s+VALID|USING\s+INDEX", action, re.I))
    note = (
        "Checked for new rows only; validate it in a second step."
        if later
        else "Reads every row under the lock; fails when one breaks it."
    )
    flags = frozenset() if later else frozenset({"validates", "full_lock"})
    return Change(f"{table}.{named.group(1) if named else '(constraint)'}", "constraint", "added", statement, None, action[:300], True, False, True,
                  "reads_and_writes", note, flags)  # fmt: skip


def _data(statement: Statement, found: re.Match[str]) -> Change:
    verb, table, rest = found.group(1).split()[0].upper(), found.group(2), found.group(3)
    change = Change(
        table, "data", "data_changed", statement, None, None, False, False, True, "none", "Adds rows."
    )
    if verb == "INSERT":
        change.note = (
            "Adds rows; running it twice adds them twice."
            if "ON CONFLICT" not in rest.upper()
            else "Adds rows once."
        )
        change.reversible, change.flags = (
            True,
            frozenset({"not_repeatable"} if "ON CONFLICT" not in rest.upper() else ()),
        )
    elif verb == "UPDATE":
        bare = not re.search(r"\bWHERE\b", rest, re.I)
        change.data_loss, change.flags = (
            True,
            frozenset({"unconditional", "loss"} if bare else {"overwrites"}),
        )
        change.note = "Overwrites every row." if bare else "Overwrites values; the old ones are gone."
    elif verb in {"DELETE", "TRUNCATE"}:
        bare = verb == "TRUNCATE" or not re.search(r"\bWHERE\b", rest, re.I)
        change.data_loss, change.flags = True, frozenset({"loss", "unconditional"} if bare else {"loss"})
        change.note = "Removes every row." if bare else "Removes rows; only a backup brings them back."
        change.lock = "reads_and_writes" if verb == "TRUNCATE" else "none"
    return change


def _split_actions(text: str) -> list[str]:
    """Split the actions of an ALTER TABLE at commas outside of parentheses."""
    parts, depth, start = list[str](), 0, 0
    for at, letter in enumerate(text):
        if letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "," and depth <= 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]

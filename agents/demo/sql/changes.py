"""Classifies statements: which object they change, and with which effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from agents.demo.sql import effects
from agents.demo.sql.effects import Effect
from agents.demo.sql.statements import Statement

_NAME = r"((?:\"[^\"]+\"|[\w$]+)(?:\.(?:\"[^\"]+\"|[\w$]+))?)"
_MAYBE = r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"
_CREATE = re.compile(
    r"^CREATE\s+(?:OR\s+REPLACE\s+)?(?:GLOBAL\s+|LOCAL\s+|TEMP(?:ORARY)?\s+|UNLOGGED\s+|MATERIALIZED\s+)*"
    rf"(TABLE|VIEW|FUNCTION|PROCEDURE|TYPE|SEQUENCE|SCHEMA)\s+{_MAYBE}{_NAME}",
    re.IGNORECASE,
)
_INDEX = re.compile(
    rf"^CREATE\s+(UNIQUE\s+)?INDEX\s+(CONCURRENTLY\s+)?{_MAYBE}(?!ON\b){_NAME}?\s*ON\s+(?:ONLY\s+)?{_NAME}",
    re.I,
)
_DROP = re.compile(
    r"^DROP\s+(TABLE|VIEW|INDEX|FUNCTION|TYPE|SEQUENCE|SCHEMA|MATERIALIZED VIEW)\s+(?:CONCURRENTLY\s+)?"
    rf"{_MAYBE}{_NAME}",
    re.IGNORECASE,
)
_ALTER = re.compile(rf"^ALTER\s+TABLE\s+{_MAYBE}(?:ONLY\s+)?{_NAME}\s+(.*)$", re.IGNORECASE)
_DATA = re.compile(
    rf"^(INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO|COPY)\s+(?:ONLY\s+)?{_NAME}(.*)$",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    rf"^(GRANT|REVOKE)\s+(.+?)\s+ON\s+(?:TABLE\s+)?{_NAME}\s+(?:TO|FROM)\s+(.+)$", re.IGNORECASE
)
_TRANSACTION = re.compile(r"^(?:BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SET)\b", re.IGNORECASE)
_KINDS = {"procedure": "function", "sequence": "other", "schema": "other", "materialized view": "view"}

_NOT_A_COLUMN = r"(?!CONSTRAINT\b|CHECK\b|UNIQUE\b|PRIMARY\b|FOREIGN\b|EXCLUDE\b)"
_ADD_COLUMN = re.compile(rf"^ADD\s+(?:COLUMN\s+)?{_MAYBE}{_NOT_A_COLUMN}{_NAME}\s+(.*)$", re.IGNORECASE)
_DROP_COLUMN = re.compile(rf"^DROP\s+(?:COLUMN\s+)?{_MAYBE}(?!CONSTRAINT\b){_NAME}", re.IGNORECASE)
_DROP_CONSTRAINT = re.compile(rf"^DROP\s+CONSTRAINT\s+{_MAYBE}{_NAME}", re.IGNORECASE)
_TYPE = re.compile(rf"^ALTER\s+(?:COLUMN\s+)?{_NAME}\s+(?:SET\s+DATA\s+)?TYPE\s+(.*)$", re.IGNORECASE)
_NOT_NULL = re.compile(rf"^ALTER\s+(?:COLUMN\s+)?{_NAME}\s+SET\s+NOT\s+NULL", re.IGNORECASE)
_RENAME = re.compile(rf"^RENAME\s+(?:COLUMN\s+)?(?:(?!TO\b){_NAME}\s+)?TO\s+{_NAME}", re.IGNORECASE)
_NARROW = re.compile(r"\b(?:var)?char\s*\(|\bsmallint|\binteger\b|\breal\b|\bdate\b", re.IGNORECASE)
_VOLATILE = re.compile(r"\bDEFAULT\s+(?:random|clock_timestamp|gen_random_uuid|uuid_generate|nextval)", re.I)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object. `object` is the table, or the table and what belongs to it."""

    object: str
    kind: str
    change: str
    statement: Statement
    effect: Effect
    before: str | None = None
    after: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether an existing table is blocked for a time that depends on its size."""
        return self.effect.lock != "none" and bool(self.effect.flags & {"full_lock", "writes_lock"})

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
            "reversible": self.effect.reversible,
            "data_loss": self.effect.data_loss,
            "backward_compatible": self.effect.compatible,
            "lock": self.effect.lock,
            "note": self.effect.note,
        }


def read_changes(statements: list[Statement]) -> list[Change]:
    """Return the changes in order. Whoever alters a table made by the same script makes nobody wait."""
    changes: list[Change] = []
    fresh: set[str] = set()
    for statement in statements:
        for change in _classify(statement):
            found = change
            if change.effect.lock != "none" and change.object.lower().split(".")[0] in fresh:
                note = f"{change.effect.note} The table is new, so nobody waits."
                found = replace(change, effect=replace(change.effect, lock="none", note=note))
            if found.kind == "table" and found.change == "added":
                fresh.add(found.object.lower())
            changes.append(found)
    return changes


def _classify(statement: Statement) -> Iterator[Change]:
    flat = statement.flat
    if _TRANSACTION.match(flat):
        return
    if found := _INDEX.match(flat):
        yield _index(statement, found)
    elif found := _CREATE.match(flat):
        kind = found.group(1).lower()
        name = found.group(2)
        yield Change(name, _KINDS.get(kind, kind), "added", statement, effects.ADDITIVE, after=flat[:300])
    elif found := _DROP.match(flat):
        kind = found.group(1).lower()
        effect = {"table": effects.DROP_ROWS, "schema": effects.DROP_ROWS, "index": effects.DROP_INDEX}.get(
            kind
        )
        effect = effect or effects.DROP_OTHER
        yield Change(found.group(2), _KINDS.get(kind, kind), "dropped", statement, effect)
    elif found := _ALTER.match(flat):
        for action in _split_actions(found.group(2)):
            yield _alter(statement, found.group(1), action)
    elif found := _DATA.match(flat):
        effect = _data_effect(found.group(1).split()[0].upper(), found.group(3))
        yield Change(found.group(2), "data", "data_changed", statement, effect)
    elif found := _RIGHT.match(flat):
        public = bool(re.search(r"\bPUBLIC\b", found.group(4), re.IGNORECASE))
        effect = effects.GRANT_ALL if public else effects.GRANT
        effect = effect if found.group(1).upper() == "GRANT" else effects.REVOKE
        yield Change(found.group(3), "permission", "altered", statement, effect, after=flat[:300])
    else:
        name = (flat.split(" ", 2)[1:2] or [flat])[0][:60]
        yield Change(name, "other", "altered", statement, effects.UNKNOWN, after=flat[:300])


def _index(statement: Statement, found: re.Match[str]) -> Change:
    unique, online, name, table = found.groups()
    if unique:
        effect = effects.UNIQUE_ONLINE if online else effects.UNIQUE
    else:
        effect = effects.INDEX_ONLINE if online else effects.INDEX
    label = f"{table}.{name or '(unnamed index)'}"
    return Change(label, "index", "added", statement, effect, after=statement.flat[:300])


def _alter(statement: Statement, table: str, action: str) -> Change:
    def column(name: str, change: str, effect: Effect, after: str | None = None) -> Change:
        return Change(f"{table}.{name}", "column", change, statement, effect, after=after)

    if found := _ADD_COLUMN.match(action):
        return column(found.group(1), "added", _added_effect(found.group(2)), found.group(2)[:200])
    if found := _DROP_CONSTRAINT.match(action):
        name = f"{table}.{found.group(1)}"
        return Change(name, "constraint", "dropped", statement, effects.DROP_CONSTRAINT)
    if found := _DROP_COLUMN.match(action):
        return column(found.group(1), "dropped", effects.DROP_COLUMN)
    if found := _TYPE.match(action):
        effect = effects.NARROW if _NARROW.search(found.group(2)) else effects.RETYPE
        return column(found.group(1), "altered", effect, found.group(2)[:200])
    if found := _NOT_NULL.match(action):
        return column(found.group(1), "altered", effects.REQUIRE, "NOT NULL")
    if found := _RENAME.match(action):
        old, new = found.groups()
        if old:
            return replace(column(old, "renamed", effects.RENAME, new), before=old)
        return Change(table, "table", "renamed", statement, effects.RENAME, before=table, after=new)
    if action.upper().startswith("ADD"):
        named = re.search(rf"CONSTRAINT\s+{_NAME}", action, re.IGNORECASE)
        later = re.search(r"NOT\s+VALID|USING\s+INDEX", action, re.IGNORECASE)
        effect = effects.CONSTRAIN_LATER if later else effects.CONSTRAIN
        name = f"{table}.{named.group(1) if named else '(constraint)'}"
        return Change(name, "constraint", "added", statement, effect, after=action[:300])
    return Change(table, "table", "altered", statement, effects.ALTER_OTHER, after=action[:200])


def _added_effect(definition: str) -> Effect:
    required = re.search(r"NOT\s+NULL", definition, re.IGNORECASE)
    if required and not re.search(r"\bDEFAULT\b", definition, re.IGNORECASE):
        return effects.ADD_REQUIRED
    return effects.ADD_REWRITE if _VOLATILE.search(definition) else effects.ADD_COLUMN


def _data_effect(verb: str, rest: str) -> Effect:
    bare = not re.search(r"\bWHERE\b", rest, re.IGNORECASE)
    if verb == "UPDATE":
        return effects.UPDATE_ALL if bare else effects.UPDATE
    if verb == "DELETE":
        return effects.DELETE_ALL if bare else effects.DELETE
    if verb == "TRUNCATE":
        return effects.TRUNCATE
    return effects.INSERT_ONCE if "ON CONFLICT" in rest.upper() else effects.INSERT


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

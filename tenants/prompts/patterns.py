"""The patterns as rules use them, and the ones that every installation starts with."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tenants.models import PromptPattern


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern as plain values."""

    name: str
    family: str
    pattern: str
    note: str = ""


def enabled() -> list[Pattern]:
    """Return the patterns that are turned on, read from the database each time: a change bites at once."""
    rows = PromptPattern.objects.filter(enabled=True).order_by("family", "name")
    return [Pattern(row.name, row.family, row.pattern, row.note) for row in rows]


@cache
def builtin() -> tuple[Pattern, ...]:
    """Return the patterns of the file beside this module."""
    families = tomllib.loads(Path(__file__).with_name("patterns.toml").read_text(encoding="utf-8"))
    return tuple(
        Pattern(name, family, entry["pattern"], entry["note"])
        for family, entries in families.items()
        for name, entry in entries.items()
    )


def seed(model: Any) -> int:
    """Create the built-in patterns that are missing and return how many; what exists is left as it is."""
    created = 0
    for each in builtin():
        values = {"family": each.family, "pattern": each.pattern, "note": each.note}
        created += model.objects.get_or_create(name=each.name, defaults=values)[1]
    return created

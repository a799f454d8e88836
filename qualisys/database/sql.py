"""Migration operations in SQL, with the app role's name filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations
from psycopg import sql


def run_sql(statements: str, reverse: str = "") -> migrations.RunPython:
    """Return an operation that executes `statements`, with {app} replaced by the quoted app role."""

    def forwards(apps: Any, schema_editor: Any) -> None:
        role = sql.Identifier(settings.DATABASE_APP_ROLE).as_string(None)
        schema_editor.execute(statements.replace("{app}", role), params=None)

    def backwards(apps: Any, schema_editor: Any) -> None:
        if reverse:
            schema_editor.execute(reverse, params=None)

    return migrations.RunPython(forwards, backwards)


def run_file(path: Path) -> migrations.RunPython:
    """Return an operation that executes the SQL file at `path`."""
    return run_sql(path.read_text(encoding="utf-8"))

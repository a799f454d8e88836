"""Raw connections to the session's database, past Django: what a role may really do."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg import sql

from tests import embedded

#: The session setting under which the platform acts.
PLATFORM = {"app.platform": "tests"}

Row = tuple[Any, ...]


def app_role(**settings: str) -> psycopg.Connection[Row]:
    """Connect as the application does; settings are written with `__` for the dot (`app__tenant_id`)."""
    return _connected(os.environ["DATABASE_URL"], {k.replace("__", "."): v for k, v in settings.items()})


def as_platform() -> psycopg.Connection[Row]:
    """Connect as the app role acting for the platform."""
    return _connected(os.environ["DATABASE_URL"], PLATFORM)


def as_owner() -> psycopg.Connection[Row]:
    """Connect as the owner role acting for the platform."""
    assert embedded.RUNNING is not None
    return _connected(embedded.RUNNING.owner_url, PLATFORM)


def _connected(url: str, settings: dict[str, str]) -> psycopg.Connection[Row]:
    connection = psycopg.connect(url, autocommit=True)
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    return connection


def column(connection: psycopg.Connection[Row], query: str, *values: Any) -> list[Any]:
    """Return the first column of what `query` finds."""
    return [row[0] for row in connection.execute(sql.SQL(query), values).fetchall()]

"""`manage.py doctor` finds what is wrong, says how to mend it, and never fails itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from qualisys.embedded import roles, servers
from qualisys.embedded.servers import Servers
from qualisys.environment import READABLE, ROOT

KEY = "0123456789" * 6


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers.start(tmp_path_factory.mktemp("home"), fast=True) as running:
        yield running


def examine(**variables: str) -> tuple[str, int]:
    """What `manage.py doctor` says under these variables, and its exit code."""
    others = {name: value for name, value in os.environ.items() if name not in READABLE}
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env={**others, "SECRET_KEY": KEY, **variables},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in ended.stderr
    return ended.stdout, ended.returncode


def test_servers__unreachable__one_line_each() -> None:
    said, code = examine(
        DATABASE_URL="postgresql://app:canary@127.0.0.1:1/none", REDIS_URL="redis://:canary@127.0.0.1:1/0"
    )

    assert code == 1
    assert "✗ mend  database cannot be examined: connection failed" in said
    assert "✗ mend  redis cannot be examined: Error 111 connecting to 127.0.0.1:1" in said
    assert "canary" not in said


def test_settings_and_role__unsafe__said_how_to_mend(running: Servers) -> None:
    said, code = examine(
        DATABASE_URL=roles.database_url(running.admin_url, database=roles.DATABASE),
        REDIS_URL=running.redis_url,
        SECRET_KEY="k" * 40,
        ALLOWED_HOSTS="*",
        DEBUG="1",
    )

    assert code == 1
    assert "set SECRET_KEY to 50 or more random characters" in said
    assert "ALLOWED_HOSTS is *: name the hosts" in said
    assert "DEBUG is on: unset DEBUG" in said
    assert "✗ mend  role postgres is a superuser, bypasses row-level security" in said


def test_database__not_migrated__said(running: Servers) -> None:
    said, code = examine(DATABASE_URL=running.app_url, REDIS_URL=running.redis_url)

    assert code == 1
    assert "migrations are not applied: run `manage.py migrate`" in said
    assert "✓ fine  role qualisys_app reads and writes rows, nothing more" in said
    assert "✓ fine  valkey" in said
    assert "eviction policy is noeviction" in said

"""What every test stands on: a migrated database as the app role, the demo's people, and a running portal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import close_old_connections
from httpx2 import Client

from qualisys import cache, tenancy
from tests import embedded
from tests.portal import ROOT, Portal, running

#: Full size for `make promises`, a size that keeps `make test` short otherwise.
FULL = os.environ.get("QUALISYS_PROMISES") == "full"

SPARES = 4


@pytest.fixture(scope="session")
def home() -> Path:
    """The folder of this session's servers."""
    return Path(os.environ["QUALISYS_HOME"])


@pytest.fixture(scope="session")
def demo(home: Path) -> dict[str, Any]:
    """Migrate as the owner role and return the demo's people and keys."""
    assert embedded.RUNNING is not None
    path = home / "demo.json"
    env = {**os.environ, "DATABASE_OWNER_URL": embedded.RUNNING.owner_url, "DATABASE_ROLE": "owner"}
    prepare = [sys.executable, "-m", "tests.prepare", str(path), str(SPARES)]
    subprocess.run(prepare, env=env, cwd=ROOT, check=True)
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


@pytest.fixture(scope="session")
def owner_env(demo: dict[str, Any]) -> dict[str, str]:
    """The environment of a process that connects as the owner role."""
    assert embedded.RUNNING is not None
    return {**os.environ, "DATABASE_OWNER_URL": embedded.RUNNING.owner_url, "DATABASE_ROLE": "owner"}


@pytest.fixture(scope="session")
def django_db_setup(demo: dict[str, Any]) -> None:
    """Use the session's own database: migrated by its owner, never flushed."""


@pytest.fixture(scope="session")
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Open the database for the session; tests commit for real and clean up by using names of their own."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def tenants(database: None, demo: dict[str, Any]) -> dict[str, tenancy.Tenant]:
    """The demo's tenants and the spare ones, as values by slug."""
    from tenants.models import Tenant

    with tenancy.use(tenancy.platform("tests")):
        return {tenant.schema_name: tenant.values() for tenant in Tenant.objects.all()}


@pytest.fixture(scope="session")
def portal(demo: dict[str, Any], home: Path) -> Iterator[Portal]:
    """A running portal with its provider."""
    with running(demo, home) as started:
        yield started


@pytest.fixture(scope="module")
def owner(portal: Portal, database: None) -> Iterator[Client]:
    """A platform owner at the console."""
    from tests.console import console

    with console(portal) as client:
        yield client


@pytest.fixture(scope="module")
def support(portal: Portal, database: None) -> Iterator[Client]:
    """Somebody of platform support at the console."""
    from tests.console import console

    with console(portal, "platform_support") as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Let no test inherit what another one's process remembered, as no request does."""
    cache.epochs.known.clear()
    close_old_connections()

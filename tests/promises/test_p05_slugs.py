"""Names of tenants, which are names of schemas and of hosts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qualisys import tenancy
from tenants.schema import SCRATCH
from tests.portal import ROOT

pytestmark = pytest.mark.promise


@pytest.mark.parametrize(
    "slug",
    [
        "", "a", "ab", "a" * 42, "1acme", "_acme", "Acme", "ACME", "ac-me", "ac me", "acme\n", "acme;", 'ac"me',
        "acme.x", "äcme", "\u0430cme", "\uff41cme", "acme\x00", " acme", "pg_acme", "pg_catalog", "pg_toast", "public",
        "information_schema", "admin", "api", "www", "localhost", "static", "qualisys", "template", SCRATCH,
    ],
)  # fmt: skip
def test_slug__malformed_or_reserved__refused(slug: str) -> None:
    """P05: ^[a-z][a-z0-9_]{2,40}$ and no reserved word."""
    assert not tenancy.is_slug(slug)


@pytest.mark.parametrize("slug", ["abc", "a" * 41, "a_b", "a1_", "acme", "spare_0", "pgx"])
def test_slug__well_formed__accepted(slug: str) -> None:
    """P05: the longest, the shortest and the usual."""
    assert tenancy.is_slug(slug)


def test_tenant_create__bad_slug__refused_in_plain_words(owner_env: dict[str, str]) -> None:
    """P05: the command says what a name must look like and creates nothing."""
    command = [sys.executable, "manage.py", "tenant", "create", 'x"; DROP SCHEMA acme']
    done = subprocess.run(command, env=owner_env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "lower-case letters" in done.stderr
    assert "Traceback" not in done.stderr

"""A tenant's schema is made by replay, and is what the migrations would have made."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql

from qualisys import tenancy
from tenants import schema
from tests.conftest import FULL
from tests.connections import as_owner
from tests.portal import ROOT

Tenants = dict[str, tenancy.Tenant]

CATALOGUE = {
    "columns": """SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
                  FROM information_schema.columns WHERE table_schema = {} ORDER BY 1, 2""",
    "constraints": """SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
                      FROM pg_constraint WHERE connamespace = {}::regnamespace ORDER BY 1, 2""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = {} ORDER BY 1, 2",
    "sequences": "SELECT sequencename, data_type FROM pg_sequences WHERE schemaname = {} ORDER BY 1",
    "rights": """SELECT relname, relkind, relacl::text FROM pg_class WHERE relnamespace = {}::regnamespace
                 ORDER BY 1""",
    "triggers": """SELECT tgrelid::regclass::text, tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
                   WHERE relnamespace = {}::regnamespace AND NOT tgisinternal ORDER BY 1, 2""",
    "rights on the schema": "SELECT nspacl::text FROM pg_namespace WHERE nspname = {}",
}


def as_owner_process(job: str, argument: Any, env: dict[str, str]) -> Any:
    command = [sys.executable, "-m", "tests.tenants.owner", job, json.dumps(argument)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made(owner_env: dict[str, str], tenants: Tenants) -> dict[str, Any]:
    """Replayed tenants beside a schema that was really migrated."""
    slugs = [f"replayed_{uuid4().hex[:8]}" for _ in range(20 if FULL else 5)]
    return {"slugs": slugs, **as_owner_process("schemas", slugs, owner_env)}


@pytest.mark.parametrize("what", CATALOGUE)
def test_replayed_schema__compared_with_a_migrated_one__is_the_same(made: dict[str, Any], what: str) -> None:
    found = []
    with as_owner() as connection:
        for name in (made["slugs"][0], "_migrated"):
            rows = connection.execute(sql.SQL(CATALOGUE[what]).format(sql.Literal(name))).fetchall()
            found.append(
                [tuple(str(each).replace(name, "*").replace('"*"', "*") for each in row) for row in rows]
            )
    assert found[0] == found[1]
    assert found[0] or what == "triggers"


def test_replayed_schema__has_every_migration_applied(made: dict[str, Any]) -> None:
    with tenancy.use(tenancy.platform("tests")):
        replayed, migrated = schema.applied(made["slugs"][0]), schema.applied("_migrated")
        pending = schema.pending_schemas()
    assert set(schema.tenant_migrations()) <= replayed == migrated
    assert pending == []


def test_replay__takes_hundredths_of_a_second(made: dict[str, Any]) -> None:
    middle = sorted(made["seconds"])[len(made["seconds"]) // 2]
    print(f"replayed in {middle * 1000:.0f} ms, migrated in {made['migrating'] * 1000:.0f} ms")
    assert middle < 0.5
    assert middle < made["migrating"]


def test_create__with_a_template_of_another_release__refused(
    owner_env: dict[str, str], tenants: Tenants
) -> None:
    kinds = ["gone", "renamed", "incomplete"]
    said = as_owner_process("stale", kinds, owner_env)
    assert [kind for kind in kinds if "run `manage.py migrate`" in said[kind]] == kinds, said


def test_fingerprint__names_the_migrations_of_tenants_only() -> None:
    assert {app for app, _ in schema.tenant_migrations()} == {"governance", "guardian"}
    assert len(schema.fingerprint()) == 64

"""A tenant's schema: made by replaying SQL that was recorded once per release from the real migrations.

Migrating a new schema takes most of a second, nearly all of it Python. The statements themselves take a few
hundredths, so they are written down while a scratch schema is migrated, and replayed for every new tenant.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader
from django_tenants.migration_executors.base import run_migrations
from psycopg import sql

from qualisys import tenancy
from tenants.models import SchemaTemplate, Tenant

#: No tenant can have this name, because a slug begins with a letter.
SCRATCH = "_template"
_LABELS = frozenset(app.rsplit(".", 1)[-1] for app in settings.TENANT_APPS)


class TemplateStale(Exception):  # noqa: N818
    """The recorded template is not of this release's migrations: run `manage.py migrate`."""


def tenant_migrations() -> list[tuple[str, str]]:
    """Return (app, name) of every migration a tenant's schema needs to have."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return sorted(key for key in loader.disk_migrations if key[0] in _LABELS)


def fingerprint() -> str:
    """Return the digest of the migrations on disk."""
    return sha256(repr(tenant_migrations()).encode()).hexdigest()


def migrate_schema(schema: str) -> None:
    """Migrate one schema as django-tenants does; the public one when `schema` is public."""
    options = {
        "verbosity": 0,
        "interactive": False,
        "database": "default",
        "app_label": None,
        "migration_name": None,
        "run_syncdb": False,
        "fake": False,
        "fake_initial": False,
        "plan": False,
        "check_unapplied": False,
        "prune": False,
        "skip_checks": True,
        "force_color": False,
        "no_color": True,
        "traceback": False,
        "stdout": io.StringIO(),
        "stderr": io.StringIO(),
        "pythonpath": None,
        "settings": None,
    }
    run_migrations([], options, "standard", schema, allow_atomic=False)


def record_template() -> bool:
    """Record the template of this release if it is not there yet; return whether it was recorded now."""
    wanted = fingerprint()
    with tenancy.use(tenancy.platform("record the schema template")):
        if SchemaTemplate.objects.filter(pk=wanted).exists():
            return False
        statements: list[str] = []
        _recreate_scratch()
        try:
            with _recording(statements):
                migrate_schema(SCRATCH)
        finally:
            with tenancy.use(tenancy.platform("drop the scratch schema")):
                _execute(f'DROP SCHEMA IF EXISTS "{SCRATCH}" CASCADE')
        with tenancy.use(tenancy.platform("record the schema template")):
            script = ";\n".join(statements)
            SchemaTemplate.objects.update_or_create(pk=wanted, defaults={"statements": script})
    return True


def create_schema(schema: str) -> None:
    """Create and fill a tenant's schema in the current transaction; raise TemplateStale without a template."""
    template = SchemaTemplate.objects.filter(pk=fingerprint()).first()
    if template is None:
        raise TemplateStale("the schema template is not of this release: run `manage.py migrate`")
    name = sql.Identifier(schema).as_string(None)
    _execute(f"CREATE SCHEMA {name}")
    _execute(
        f"SET LOCAL search_path = {name}, public;\n{template.statements};\nSET LOCAL search_path = public"
    )
    missing = set(tenant_migrations()) - applied(schema)
    if missing:
        raise TemplateStale(f"the template lacks {len(missing)} migrations: run `manage.py migrate`")


def drop_schema(schema: str) -> None:
    """Drop a tenant's schema and everything in it."""
    _execute(f"DROP SCHEMA IF EXISTS {sql.Identifier(schema).as_string(None)} CASCADE")


def applied(schema: str) -> set[tuple[str, str]]:
    """Return the migrations a schema has."""
    query = sql.SQL("SELECT app, name FROM {}").format(sql.Identifier(schema, "django_migrations"))
    with connections["default"].cursor() as cursor:
        cursor.execute(query)
        return {(app, name) for app, name in cursor.fetchall()}


def pending_schemas() -> list[str]:
    """Return the tenants' schemas that lack a migration, asked in one query over all of them."""
    schemas = list(Tenant.objects.values_list("schema_name", flat=True))
    if not schemas:
        return []
    wanted = len(tenant_migrations())
    counts = [
        sql.SQL("SELECT {}, count(*) FROM {} WHERE app = ANY(%s)").format(
            sql.Literal(schema), sql.Identifier(schema, "django_migrations")
        )
        for schema in schemas
    ]
    union = sql.SQL(" UNION ALL ").join(counts)
    with connections["default"].cursor() as cursor:
        cursor.execute(union, [sorted(_LABELS)] * len(schemas))
        return [schema for schema, count in cursor.fetchall() if count < wanted]


def _recreate_scratch() -> None:
    _execute(f'DROP SCHEMA IF EXISTS "{SCRATCH}" CASCADE')
    _execute(f'CREATE SCHEMA "{SCRATCH}"')


def _execute(statement: str) -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def _recording(statements: list[str]) -> Iterator[None]:
    connection: Any = connections["default"]

    def write_down(execute: Any, query: Any, params: Any, many: bool, context: Any) -> Any:
        result = execute(query, params, many, context)
        if _changes_something(str(query)):
            statements.extend(
                str(connection.ops.compose_sql(query, each)) if each else str(query)
                for each in (params if many else [params])
            )
        return result

    with connection.execute_wrapper(write_down):
        yield


def _changes_something(query: str) -> bool:
    verb = query.lstrip().split(None, 1)[0].upper() if query.strip() else ""
    return verb in {
        "CREATE",
        "ALTER",
        "INSERT",
        "UPDATE",
        "DELETE",
        "DO",
        "COMMENT",
        "DROP",
        "GRANT",
        "REVOKE",
    }

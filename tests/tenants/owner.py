"""What only the owner role can do, in a process of its own: `python -m tests.tenants.owner <job> <argument>`.

Prints one JSON document. Several jobs of a kind share one start of Django.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any


def commands(lines: list[list[str]]) -> list[dict[str, Any]]:
    """Run `manage.py tenant` with each list of arguments; return what it said and whether it refused."""
    from django.core.management import CommandError, call_command

    said = []
    for line in lines:
        out = io.StringIO()
        try:
            call_command("tenant", *line, stdout=out)
            said.append({"refused": "", "out": out.getvalue()})
        except CommandError as refused:
            said.append({"refused": str(refused), "out": out.getvalue()})
    return said


def schemas(slugs: list[str]) -> dict[str, Any]:
    """Create tenants by replay and return the seconds each took; migrate a schema for real beside them."""
    from django.db import connections

    from qualisys import tenancy
    from qualisys.access import System
    from tenants import schema, services

    seconds = []
    for slug in slugs:
        began = perf_counter()
        services.create_tenant(actor=System("tests"), slug=slug, name="Replayed", hosts=[])
        seconds.append(perf_counter() - began)
    with tenancy.use(tenancy.platform("tests")):
        with connections["default"].cursor() as cursor:
            cursor.execute('CREATE SCHEMA "_migrated"')
        began = perf_counter()
        schema.migrate_schema("_migrated")
    return {"seconds": seconds, "migrating": perf_counter() - began}


def stale(kinds: list[str]) -> dict[str, str]:
    """Try to create a tenant with a template that is gone, or of another release; undo everything."""
    from django.db import transaction

    from qualisys import tenancy
    from qualisys.access import System
    from tenants import schema, services
    from tenants.models import SchemaTemplate, Tenant

    said = {}
    for kind in kinds:
        with tenancy.use(tenancy.platform("tests")), transaction.atomic():
            if kind == "gone":
                SchemaTemplate.objects.all().delete()
            elif kind == "renamed":
                SchemaTemplate.objects.update(fingerprint="another release")
            else:
                row = SchemaTemplate.objects.get(pk=schema.fingerprint())
                lines = row.statements.splitlines(keepends=True)
                row.statements = "".join(line for line in lines if "0003_remove_group" not in line)
                row.save()
            try:
                services.create_tenant(actor=System("tests"), slug="stale_one", name="x", hosts=[])
                said[kind] = "created"
            except schema.TemplateStale as refused:
                said[kind] = str(refused)
            transaction.set_rollback(True)
        with tenancy.use(tenancy.platform("tests")):
            assert not Tenant.objects.filter(schema_name="stale_one").exists()
    return said


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "qualisys.settings"
    import django

    django.setup()
    jobs: dict[str, Callable[[Any], Any]] = {"commands": commands, "schemas": schemas, "stale": stale}
    json.dump(jobs[sys.argv[1]](json.loads(sys.argv[2])), sys.stdout)

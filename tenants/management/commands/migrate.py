"""`manage.py migrate`: the public schema, then the template, then every tenant that lacks something."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import redis
from django.core.management.base import BaseCommand
from django.db.migrations.autodetector import MigrationAutodetector

from agents import partitions
from qualisys import audit, tenancy
from qualisys import redis as qredis
from tenants import schema


class Command(BaseCommand):
    """Bring every schema to this release."""

    autodetector = MigrationAutodetector
    help = (
        "Migrate the public schema, record the tenants' template and migrate the tenants that lack something."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Accept Django's usual flag."""
        parser.add_argument("--noinput", action="store_true", help="Kept for scripts; nothing is ever asked.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the steps and say how long each took."""
        with tenancy.use(tenancy.platform("migrate")), audit.acting(audit.Actor("system:migrate")):
            self._step("public schema", lambda: schema.migrate_schema("public"))
        with tenancy.use(tenancy.platform("migrate")), audit.acting(audit.Actor("system:migrate")):
            self._step("log partitions", lambda: partitions.ensure(datetime.now(UTC).date()))
            self._step("tenant template", schema.record_template)
            pending = schema.pending_schemas()
        with suppress(redis.RedisError):
            # The guard waits a moment after Redis came up; what follows takes longer than that.
            qredis.begin_memory()
        for index, name in enumerate(pending, 1):
            with tenancy.use(tenancy.platform("migrate")), audit.acting(audit.Actor("system:migrate")):
                self._step(
                    f"tenant {index}/{len(pending)} {name}", lambda name=name: schema.migrate_schema(name)
                )

    def _step(self, name: str, work: Any) -> None:
        began = perf_counter()
        work()
        self.stdout.write(f"{name}: done in {perf_counter() - began:.2f} s")

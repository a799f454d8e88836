"""`manage.py openapi`: the API's description as it is committed, so that a change is seen in review."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from qualisys.api import api

SNAPSHOT = Path("tests/api/openapi.json")


class Command(BaseCommand):
    """Write the snapshot, or check that it is current."""

    help = "Write tests/api/openapi.json, or with --check fail if it differs from the code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Accept --check."""
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare or write."""
        __import__(settings.PUBLIC_SCHEMA_URLCONF)
        path = settings.BASE_DIR / SNAPSHOT
        current = (
            json.dumps(api.get_openapi_schema(path_prefix="/api/v1/"), indent=2, sort_keys=True, default=str)
            + "\n"
        )
        if not options["check"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(current)
            self.stdout.write(f"wrote {SNAPSHOT}")
        elif not path.exists() or path.read_text() != current:
            raise CommandError("The API has changed. Look at the change, then run: python manage.py openapi")

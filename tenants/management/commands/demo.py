"""`manage.py demo`: load the demo's organisations and people, once."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand

from qualisys import audit
from tenants import demo


class Command(BaseCommand):
    """Create what is missing and write down addresses and logins."""

    help = "Load the demo: two organisations, a person per role, keys. What the file has already is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say where to write and under which address the portal is reached."""
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--base-url", default="http://localhost:8000")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load the demo, writing after every step so that an interruption loses no password."""
        path: Path = options["file"]
        known = json.loads(path.read_text()) if path.exists() else {}
        base_url = options["base_url"].rstrip("/")
        known |= {"base_url": base_url, "console_url": f"{base_url}/admin/"}
        with audit.acting(audit.Actor("system:demo")):
            known["platform"] = demo.create_platform(known.get("platform", {}))
            self._write(path, known)
            tenants = known.setdefault("tenants", {})
            for slug in demo.TENANTS:
                tenants[slug] = demo.create_tenant(slug, tenants.get(slug, {}))
                parts = urlsplit(base_url)
                port = f":{parts.port}" if parts.port else ""
                tenants[slug]["url"] = f"{parts.scheme}://{tenants[slug]['host']}{port}"
                self._write(path, known)
                self.stdout.write(f"demo tenant {slug}: ready")

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file, indent=2)
        new.replace(path)

"""`manage.py rotate_signing_key`: sign access tokens with a new key from now on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from qualisys import audit, tenancy
from tenants import tokens


class Command(BaseCommand):
    """Rotate the key that signs access tokens."""

    help = "Sign with a new key; tokens of the old one stay valid for the 15 minutes they live."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate as the platform."""
        with (
            tenancy.use(tenancy.platform("rotate the signing key")),
            audit.acting(audit.Actor("system:command")),
        ):
            row = tokens.rotate_signing_key()
        self.stdout.write(f"Tokens are signed with key {row.kid} from now on.")

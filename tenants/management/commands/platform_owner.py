"""`manage.py platform_owner`: the first person of a new installation."""

from __future__ import annotations

import getpass
import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from qualisys import audit, tenancy
from qualisys.access import System
from qualisys.problems import Problem
from tenants import services


class Command(BaseCommand):
    """Create a platform owner, who can do everything else in the console."""

    help = "Create a platform owner; asks for a password, or makes one with --generate and prints it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the address and how to come by a password."""
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument("--generate", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the person."""
        password = secrets.token_urlsafe(15) if options["generate"] else getpass.getpass("Password: ")
        try:
            with (
                tenancy.use(tenancy.platform("create the platform's owner")),
                audit.acting(audit.Actor("system:command")),
            ):
                services.create_user(
                    actor=System("command"),
                    email=options["email"],
                    name=options["name"],
                    password=password,
                    platform_role="platform_owner",
                )
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        self.stdout.write(f"{options['email']} owns the platform now.")
        if options["generate"]:
            self.stdout.write(f"Password, shown this once: {password}")

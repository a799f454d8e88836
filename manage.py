#!/usr/bin/env python
"""Django's command line; commands that change schemas connect as the owner role."""

import os
import sys

OWNER_COMMANDS = {"migrate", "migrate_schemas", "tenant", "demo", "partitions"}


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ.setdefault("DATABASE_ROLE", "owner")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

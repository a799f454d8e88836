"""Run as the owner role once per test session: migrate, load the demo, and make spare tenants.

python -m tests.prepare <demo.json> <number of spare tenants>
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SPARE = "spare_{}"


def main() -> None:
    """Prepare the database."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "qualisys.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from tenants import demo
    from tenants.models import Tier

    path, spares = sys.argv[1], int(sys.argv[2])
    call_command("migrate", verbosity=0)
    for number in range(spares):
        demo.TENANTS[SPARE.format(number)] = (f"Spare {number}", Tier.STANDARD)
    call_command("demo", file=Path(path), base_url="http://localhost", verbosity=0)


if __name__ == "__main__":
    main()

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
    if os.environ.get("QUALISYS_PROMISES") == "full":
        _lift_limits()


def _lift_limits() -> None:
    """Let a tenant run as much as the promises at full size ask of it."""
    from agents.limits.numbers import Numbers
    from agents.limits.services import set_limits
    from qualisys import tenancy
    from qualisys.access import System

    with tenancy.use(tenancy.platform("tests")):
        numbers = Numbers(runs_per_minute=1_000_000, concurrent_runs=10_000)
        set_limits(actor=System("tests"), numbers=numbers)


if __name__ == "__main__":
    main()

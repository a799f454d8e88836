"""python -m tests.tenants.corpus [--write]: print the figures of the prompt rules, or put them into their page."""

from __future__ import annotations

import os
import sys

OFFLINE = {
    "DJANGO_SETTINGS_MODULE": "qualisys.settings",
    "DATABASE_URL": "postgresql://app:none@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "for-checks-that-connect-to-nothing-and-sign-nothing-0123456789",
}


def main() -> None:
    """Measure with the built-in patterns; neither a database nor Redis is asked."""
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    import django

    django.setup()
    from tests.tenants.corpus import page

    if "--write" in sys.argv[1:]:
        page.write()
    else:
        print(page.figures())


if __name__ == "__main__":
    main()

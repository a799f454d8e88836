"""Tasks that say as whom they ran, for a real worker: `celery -A tests.qualisys.task_probe worker`."""

from __future__ import annotations

from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402 - Django must be set up first

from qualisys import audit, tenancy  # noqa: E402
from qualisys import redis as qredis  # noqa: E402
from qualisys.celery import PlatformTask, TenantTask, app  # noqa: E402

QUEUE = "probe"
__all__ = ["app"]


def _say(key: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_schema(), current_setting('app.tenant_id'), current_setting('app.platform')"
        )
        row: Any = cursor.fetchone()
    who = audit.actor()
    qredis.sync_client().rpush(key, "|".join([*row, who.id, tenancy.require().schema]))


@app.task(base=TenantTask, name="probe.tenant")
def as_tenant(key: str) -> None:
    """Say as whom this runs."""
    _say(key)


@app.task(base=PlatformTask, name="probe.platform")
def as_platform(key: str) -> None:
    """Say as whom this runs."""
    _say(key)


@app.task(name="probe.nobody")
def as_nobody(key: str) -> None:
    """A task without a base of ours has no context at all."""
    _say(key)

"""What the log and the tenants' run tables hold, read as the app role, and what Redis may forget."""

from __future__ import annotations

from typing import Any

from agents.guard import admission
from agents.models import ExecutionLog
from governance.models import Run
from qualisys import redis as qredis
from qualisys import tenancy
from tests.portal import wait_for


def rows(tenant: tenancy.Tenant, **which: Any) -> list[ExecutionLog]:
    """Return a tenant's log rows."""
    with tenancy.use(tenant):
        return list(ExecutionLog.objects.filter(**which))


def row(tenant: tenancy.Tenant, run_id: object, seconds: float = 20) -> ExecutionLog:
    """Return the one log row of a run, once it is there."""
    wait_for(lambda: rows(tenant, id=run_id), seconds, f"the log row of run {run_id}")
    (found,) = rows(tenant, id=run_id)
    return found


def stored(tenant: tenancy.Tenant, **which: Any) -> list[Run]:
    """Return a tenant's runs as the database has them."""
    with tenancy.use(tenant):
        return list(Run.objects.filter(**which))


def forget(run_id: object, conversation_id: object = "") -> None:
    """Let Redis forget a finished run, as it does after an hour."""
    found = [admission.result_key(str(run_id)), admission.events_key(str(run_id))]
    qredis.sync_client().delete(*found, admission.conversation_key(str(conversation_id)))

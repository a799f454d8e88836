"""Runs that nobody waits for: a row in the tenant's schema, a task in the queue, the same orchestrator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.guard.admission import lease_key, result_key
from governance.models import Conversation, Run
from governance.runs import record
from governance.runs.orchestrator import PASSING, configure, start
from governance.runs.request import RunRequest
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.database.threads import in_thread
from qualisys.ids import uuid7
from qualisys.problems import Problem
from tenants import directory
from tenants.identity import Identity

#: After this long a queued run counts as lost on its way.
LOST = timedelta(seconds=90)
#: For this long a queued run is tried again where the guard refuses it for a moment, with such seconds between.
PATIENCE, LONGEST_PAUSE = timedelta(minutes=15), 60

_STORED = (
    "agent_id", "version", "version_reason", "content_hash", "conversation_id", "user_id", "input", "documents",
    "parameters", "provider", "model", "demo", "config_revision", "prompt_hash", "created_at",
)  # fmt: skip


async def enqueue(identity: Identity, agent_id: str, request: RunRequest) -> dict[str, Any]:
    """Store a queued run, hand it to a worker and return it; raise what refuses it already now."""
    effective, context = await configure(identity, tenancy.tenant(), agent_id, request)
    begun = record.begin(uuid7(), identity, effective, request, context)
    await in_thread(_store, begun)
    return record.shown(begun, status="queued")


def _store(begun: dict[str, Any]) -> None:
    with transaction.atomic():
        Run.objects.create(
            id=begun["run_id"], status=Run.Status.QUEUED, **{name: begun[name] for name in _STORED}
        )
        transaction.on_commit(lambda: send(begun["run_id"]))


def send(run_id: str) -> None:
    """Hand a queued run to a worker."""
    from governance.tasks import execute_run

    execute_run.delay(run_id)


async def execute(run_id: UUID) -> str:
    """Execute a queued run as the person who asked for it; return its final status."""
    tenant = tenancy.tenant()
    taken = await in_thread(_take, run_id)
    if taken is None:
        return "taken"
    row, begins = taken
    person = await directory.people.get((str(tenant.id), row.user_id))
    if person is None:
        problem = Problem("permission_denied", "The person who asked is no longer a member.")
        return await in_thread(_fail, run_id, problem)
    identity = Identity(person, tenant, "background", str(run_id))
    request = RunRequest(row.input, row.documents, row.conversation_id, row.parameters, begins)
    try:
        execution = await start(identity, row.agent_id, request, mode="background", run_id=row.pk)
    except Problem as problem:
        if problem.code in PASSING and timezone.now() - row.created_at < PATIENCE:
            return await in_thread(_put_back, run_id, problem)
        return await in_thread(_fail, run_id, problem)
    end = await execution.finished()
    return end.status if end else "failed"


def _take(run_id: UUID) -> tuple[Run, bool] | None:
    """Claim a queued run, so that a task delivered twice runs once; tell whether its conversation begins."""
    queued = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED)
    if not queued.update(status=Run.Status.RUNNING):
        return None
    row = Run.objects.get(pk=run_id)
    return row, not Conversation.objects.filter(pk=row.conversation_id).exists()


def _put_back(run_id: UUID, problem: Problem) -> str:
    """Queue a run again that the guard refused for a moment."""
    from governance.tasks import execute_run

    claimed = Run.objects.filter(pk=run_id, status=Run.Status.RUNNING)
    if claimed.update(status=Run.Status.QUEUED):
        wait = int((problem.headers or {}).get("Retry-After", "2"))
        execute_run.apply_async((str(run_id),), countdown=min(wait, LONGEST_PAUSE))
    return "queued"


def _fail(run_id: UUID, problem: Problem) -> str:
    document = {**problem.document(), "run_id": str(run_id)}
    unfinished = Run.objects.filter(pk=run_id, status__in=[Run.Status.QUEUED, Run.Status.RUNNING])
    unfinished.update(status=Run.Status.FAILED, problem=document, finished_at=timezone.now())
    return "failed"


async def withdraw(run_id: UUID) -> bool:
    """Cancel a run that is still queued; return False where it is not."""
    return await in_thread(_withdraw, run_id)


def _withdraw(run_id: UUID) -> bool:
    queued = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED)
    return bool(queued.update(status=Run.Status.CANCELLED, finished_at=timezone.now()))


def mend() -> None:
    """Send the current tenant's queued runs that got lost again; end those that a dead worker had claimed."""
    now = timezone.now()
    for run_id in Run.objects.filter(status=Run.Status.QUEUED, created_at__lt=now - LOST).values_list(
        "id", flat=True
    ):
        send(str(run_id))
    redis = qredis.sync_client()
    for run_id in Run.objects.filter(status=Run.Status.RUNNING, created_at__lt=now - LOST).values_list(
        "id", flat=True
    ):
        if not redis.exists(lease_key(run_id), result_key(run_id)):
            _fail(run_id, Problem("worker_lost", "The worker that had claimed this run died. Run it again."))

"""Runs that nobody waits for: a row in the tenant's schema, a task in the queue, the same orchestrator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.models import Run
from governance.runs import record
from governance.runs.orchestrator import configure, start
from governance.runs.request import RunRequest
from qualisys import cache, tenancy
from qualisys.database.threads import in_thread
from qualisys.ids import uuid7
from qualisys.problems import Problem
from tenants import directory
from tenants.identity import Identity


async def enqueue(identity: Identity, agent_id: str, request: RunRequest) -> dict[str, Any]:
    """Store a queued run, hand it to a worker and return it; raise what refuses it already now."""
    effective, context = await configure(identity, tenancy.tenant(), agent_id, request)
    begun = record.begin(uuid7(), identity, effective, request, context).payload()
    await in_thread(_store, begun, request.conversation_id, identity)
    return record.shown(begun, status="queued")


def _store(begun: dict[str, Any], conversation_id: UUID | None, identity: Identity) -> None:
    from governance.tasks import execute_run

    with transaction.atomic():
        Run.objects.create(
            id=begun["run_id"],
            status=Run.Status.QUEUED,
            **{
                name: begun[name]
                for name in (
                    "agent_id", "version", "version_reason", "content_hash", "conversation_id", "user_id", "input",
                    "documents", "parameters", "provider", "model", "demo", "created_at",
                )
            },
        )  # fmt: skip
        continued = str(conversation_id) if conversation_id else None
        args = (begun["run_id"], continued, identity.kind, identity.credential, sorted(identity.scopes))
        transaction.on_commit(lambda: execute_run.delay(*args))


async def execute(
    run_id: str, conversation_id: str | None, kind: str, credential: str, scopes: list[str]
) -> str:
    """Execute a queued run as the person who asked for it; return its final status."""
    tenant = tenancy.tenant()
    row = await in_thread(_take, run_id)
    if row is None:
        return "gone"
    await cache.epochs.refresh()
    person = await directory.people.get((str(tenant.id), row.user_id))
    if person is None:
        await in_thread(_fail, row, Problem("permission_denied", "The person who asked is no longer a member."))
        return "failed"
    identity = Identity(person, tenant, kind, credential, frozenset(scopes))  # type: ignore[arg-type]
    request = RunRequest(
        row.input, row.documents, UUID(conversation_id) if conversation_id else None, row.parameters
    )
    try:
        execution = await start(identity, row.agent_id, request, mode="background", run_id=row.pk)
    except Problem as problem:
        await in_thread(_fail, row, problem)
        return "failed"
    await execution.finished()
    return execution.end.status if execution.end else "failed"


def _take(run_id: str) -> Run | None:
    return Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).first()


def _fail(row: Run, problem: Problem) -> None:
    document = {**problem.document(), "run_id": str(row.pk)}
    Run.objects.filter(pk=row.pk, status=Run.Status.QUEUED).update(
        status=Run.Status.FAILED, problem=document, finished_at=datetime.now(UTC)
    )


async def withdraw(run_id: UUID) -> bool:
    """Cancel a run that is still queued; return False where it is not."""
    return await in_thread(_withdraw, run_id)


def _withdraw(run_id: UUID) -> bool:
    changed = Run.objects.filter(pk=run_id, status=Run.Status.QUEUED).update(
        status=Run.Status.CANCELLED, finished_at=datetime.now(UTC)
    )
    return bool(changed)

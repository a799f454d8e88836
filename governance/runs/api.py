"""Runs and conversations over HTTP: listed, shown, followed, cancelled, and what they were told."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from governance.runs import background, selectors, told, watch
from governance.runs.replay import events_of
from governance.runs.sse import EventStream
from governance.schemas import ConversationOut, RunOut, ToldOut
from qualisys.access import Requires, check
from qualisys.problems import Problem, invalid
from qualisys.schemas import REFUSALS, Page
from tenants.identity import Identity, identity_of

router = Router(tags=["runs"])
conversations = Router(tags=["runs"])

#: How a stream looks in the API's description.
SSE: Final = {
    "responses": {
        200: {
            "description": "The run's events: run.started, delta, tool, usage, run.completed or run.failed.",
            "content": {
                "text/event-stream": {
                    "schema": {
                        "type": "object",
                        "description": "One event; `data` is JSON.",
                        "properties": {
                            "id": {"type": "string"},
                            "event": {"type": "string"},
                            "data": {"type": "string"},
                        },
                    },
                    "example": 'id: 01a1f87b-a436-7a8b-a961-43ebcc561166-6\nevent: delta\ndata: {"text":"Hello"}\n\n',
                }
            },
        }
    }
}


@router.get(
    "", response={200: Page[RunOut], **REFUSALS}, auth=Requires("governance.view_run", where="tenant")
)
async def list_runs(
    request: HttpRequest,
    agent_id: str = "",
    status: str = "",
    who: str = "",
    q: str = "",
    cursor: str | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """List the runs you may see, newest first; `who` is a person's id, `q` words of the request.

    `status` is a run's status, or `refused` for those of the failed ones that the guard refused.
    """
    filters = selectors.filters_of(agent_id=agent_id, status=status, who=who, text=q)
    return await selectors.list_runs(identity_of(request), filters=filters, cursor=cursor, limit=limit)


@router.get(
    "/{run_id}", response={200: RunOut, **REFUSALS}, auth=Requires("governance.view_run", where="tenant")
)
async def get_run(request: HttpRequest, run_id: UUID) -> dict[str, Any]:
    """Show one run."""
    return await selectors.get_run(identity_of(request), run_id)


@router.get(
    "/{run_id}/stream",
    response={200: None, **REFUSALS},
    openapi_extra=SSE,
    auth=Requires("governance.view_run", where="tenant"),
)
async def attach(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Follow a run from its start or from `Last-Event-ID`; a finished one is replayed."""
    position = 0
    if last := request.headers.get("Last-Event-ID"):
        of, position = position_of(last)
        if of != run_id:
            raise invalid("Last-Event-ID", "run", "This id belongs to another run.")
    return await join_run(identity_of(request), run_id, position)


async def join_run(identity: Identity, run_id: UUID, position: int) -> EventStream:
    await selectors.get_run(identity, run_id)
    return EventStream(run_id, events_of(identity, run_id, position), identity)


def position_of(last_event_id: str) -> tuple[UUID, int]:
    run_id, _, position = last_event_id.rpartition("-")
    try:
        return UUID(run_id), min(max(int(position), 0), 1 << 53)
    except ValueError as error:
        raise invalid(
            "Last-Event-ID", "format", "Send the id of the last event you have seen, unchanged."
        ) from error


@router.post(
    "/{run_id}/cancel",
    response={202: RunOut, **REFUSALS},
    auth=Requires("governance.add_run", where="tenant"),
)
async def cancel_run(request: HttpRequest, run_id: UUID) -> Status[Any]:
    """Ask a run to stop; your own, or any as an administrator."""
    identity = identity_of(request)
    run = await selectors.get_run(identity, run_id)
    if run["user_id"] != str(identity.user_id):
        check(identity, "governance.change_run")
    if not await watch.cancel(run_id) and not await background.withdraw(run_id):
        raise Problem("conflict", "The run has ended already.")
    return Status(202, run)


@conversations.get(
    "/{conversation_id}",
    response={200: ConversationOut, **REFUSALS},
    auth=Requires("governance.view_run", where="tenant"),
)
async def get_conversation(request: HttpRequest, conversation_id: UUID) -> dict[str, Any]:
    """Show a conversation with its runs."""
    return await selectors.get_conversation(identity_of(request), conversation_id)


@router.get(
    "/{run_id}/told",
    response={200: ToldOut, **REFUSALS},
    auth=Requires(told.PERM, where="tenant"),
)
async def get_told(request: HttpRequest, run_id: UUID) -> dict[str, Any]:
    """Show what the model was told in a run, layer by layer, and whether the run's own hash proves it."""
    return await told.told(identity_of(request), run_id)

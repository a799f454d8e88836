"""Administration of agents and their versions, for the platform."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from agents import selectors as agent_selectors
from agents import services as agent_services
from agents.definitions import Definition, Prompt
from agents.models import AgentDefinition
from qualisys import pagination
from qualisys.access import Requires, actor_of
from qualisys.database.threads import in_thread
from qualisys.problems import Problem, invalid
from qualisys.schemas import REFUSALS, Page
from versions import selectors, services
from versions.schemas import AgentChange, AgentIn, AgentOut, VersionChange, VersionIn, VersionOut

router = Router(tags=["administration"])


@router.get(
    "",
    response={200: Page[AgentOut], **REFUSALS},
    auth=Requires("agents.view_agentdefinition", where="platform"),
)
async def list_agents(
    request: HttpRequest, cursor: str | None = None, limit: int | None = None
) -> dict[str, Any]:
    """List every agent, enabled or not, by id."""
    after = pagination.decode(cursor, 1)
    size = pagination.limit_of(limit)

    def read() -> list[dict[str, Any]]:
        rows = AgentDefinition.objects.order_by("agent_id")
        if after is not None:
            rows = rows.filter(agent_id__gt=str(after[0]))
        return [selectors.show_agent(row) for row in rows[: size + 1]]

    found = await in_thread(read)
    more = len(found) > size
    return {
        "items": found[:size],
        "next_cursor": pagination.encode([found[size - 1]["agent_id"]]) if more else None,
    }


@router.post(
    "", response={201: AgentOut, **REFUSALS}, auth=Requires("agents.add_agentdefinition", where="platform")
)
async def register_agent(request: HttpRequest, body: AgentIn) -> Status[Any]:
    """Register an agent; its version 1.0.0 starts at 100 %."""
    definition = Definition(**body.model_dump(include=set(Definition.model_fields)))
    prompt = Prompt(**body.model_dump(include=set(Prompt.model_fields)))

    def write() -> dict[str, Any]:
        row = services.register_agent(actor=actor_of(request), definition=definition, prompt=prompt)
        return selectors.show_agent(row)

    return Status(201, await in_thread(write))


@router.get(
    "/{agent_id}",
    response={200: AgentOut, **REFUSALS},
    auth=Requires("agents.view_agentdefinition", where="platform"),
)
async def get_agent(request: HttpRequest, response: HttpResponse, agent_id: str) -> dict[str, Any]:
    """Return one agent with its prompt."""

    def read() -> tuple[dict[str, Any], str]:
        row = agent_selectors.get_agent(agent_id)
        return selectors.show_agent(row), selectors.etag(row)

    shown, tag = await in_thread(read)
    response["ETag"] = tag
    return shown


@router.put(
    "/{agent_id}",
    response={200: AgentOut, **REFUSALS},
    auth=Requires("agents.change_agentdefinition", where="platform"),
)
async def update_agent(
    request: HttpRequest, response: HttpResponse, agent_id: str, body: AgentChange
) -> dict[str, Any]:
    """Replace an agent's editable fields; prompt and schema change only by a new version."""
    data = body.model_dump(mode="json", include=set(Definition.model_fields))
    immutable = {name: getattr(body, name) for name in ("agent_id", "system_prompt", "output_schema")}
    match = request.headers.get("If-Match")

    def write() -> tuple[dict[str, Any], str]:
        with transaction.atomic():
            row = agent_selectors.get_agent(agent_id, lock=True)
            if match not in (None, "*", selectors.etag(row)):
                raise Problem(
                    "precondition_failed", "The agent has changed since you read it. Read it again."
                )
            shown = selectors.show_agent(row)
            for name, value in immutable.items():
                if value not in (None, shown[name]):
                    hint = f"Create a version instead: POST /api/v1/admin/agents/{agent_id}/versions."
                    raise invalid(name, "immutable", hint)
            row = agent_services.update_agent(actor=actor_of(request), agent_id=agent_id, data=data)
            return selectors.show_agent(row), selectors.etag(row)

    shown, tag = await in_thread(write)
    response["ETag"] = tag
    return shown


@router.delete(
    "/{agent_id}",
    response={204: None, **REFUSALS},
    auth=Requires("agents.delete_agentdefinition", where="platform"),
)
async def disable_agent(request: HttpRequest, agent_id: str, reason: str = "") -> Status[None]:
    """Turn the agent off everywhere within a second: the kill switch. Nothing is deleted."""
    await in_thread(
        agent_services.set_enabled,
        actor=actor_of(request),
        agent_id=agent_id,
        enabled=False,
        reason=reason[:1000],
    )
    return Status(204, None)


@router.get(
    "/{agent_id}/versions",
    response={200: Page[VersionOut], **REFUSALS},
    auth=Requires("agents.view_agentdefinition", where="platform"),
)
async def list_versions(request: HttpRequest, agent_id: str) -> dict[str, Any]:
    """List every version of an agent, newest first."""

    def read() -> list[dict[str, Any]]:
        return [selectors.show_version(row) for row in selectors.list_versions(agent_id)]

    return {"items": await in_thread(read), "next_cursor": None}


@router.post(
    "/{agent_id}/versions",
    response={201: VersionOut, **REFUSALS},
    auth=Requires("versions.add_agentversion", where="platform"),
)
async def create_version(request: HttpRequest, agent_id: str, body: VersionIn) -> Status[Any]:
    """Create the next version; it starts at the given share of tenants."""

    def write() -> dict[str, Any]:
        row = services.create_version(
            actor=actor_of(request),
            agent_id=agent_id,
            data={"system_prompt": body.system_prompt, "output_schema": body.output_schema},
            changelog=body.changelog,
            bump=body.bump,
            rollout_percentage=body.rollout_percentage,
        )
        return selectors.show_version(row)

    return Status(201, await in_thread(write))


@router.put(
    "/{agent_id}/versions/{version}",
    response={200: VersionOut, **REFUSALS},
    auth=Requires("versions.change_agentversion", where="platform"),
)
async def update_version(
    request: HttpRequest, agent_id: str, version: str, body: VersionChange
) -> dict[str, Any]:
    """Move a version's rollout or status; 0 % takes it back everywhere within a second."""

    def write() -> dict[str, Any]:
        row = services.update_version(
            actor=actor_of(request),
            agent_id=agent_id,
            version=version,
            rollout_percentage=body.rollout_percentage,
            status=body.status,
            reason=body.reason,
        )
        return selectors.show_version(row)

    return await in_thread(write)

"""The platform's limits: of every tenant, and of every tenant's use of one agent."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from agents.limits import selectors, services
from agents.limits.schemas import LimitsIn, LimitsOut, answered
from agents.limits.services import Scope
from qualisys.access import Requires, actor_of
from qualisys.database.threads import in_thread
from qualisys.schemas import REFUSALS

router = Router(tags=["limits"])
of_agents = Router(tags=["limits"])

VIEW = Requires(services.VIEW, where="platform")
SET = Requires(services.SET, where="platform")


@router.get("", response={200: LimitsOut, **REFUSALS}, auth=VIEW)
async def get_limits(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """Show what each tenant may use as long as nothing nearer says otherwise."""
    return answered(response, await in_thread(selectors.show_limits, Scope()))


@router.put("", response={200: LimitsOut, **REFUSALS}, auth=SET)
async def put_limits(request: HttpRequest, response: HttpResponse, body: LimitsIn) -> dict[str, Any]:
    """Replace the limits of every tenant; they hold for every run that starts a second later."""
    return answered(response, await in_thread(replace, request, Scope(), body))


@of_agents.get("/{agent_id}/limits", response={200: LimitsOut, **REFUSALS}, auth=VIEW)
async def get_agent_limits(request: HttpRequest, response: HttpResponse, agent_id: str) -> dict[str, Any]:
    """Show what each tenant may use of an agent."""
    return answered(response, await in_thread(selectors.show_limits, Scope(agent_id)))


@of_agents.put("/{agent_id}/limits", response={200: LimitsOut, **REFUSALS}, auth=SET)
async def put_agent_limits(
    request: HttpRequest, response: HttpResponse, agent_id: str, body: LimitsIn
) -> dict[str, Any]:
    """Replace what each tenant may use of an agent."""
    return answered(response, await in_thread(replace, request, Scope(agent_id), body))


def replace(request: HttpRequest, scope: Scope, body: LimitsIn) -> tuple[dict[str, Any], str]:
    """Replace the platform's limits of a scope as a request says, and return them with their entity tag."""
    services.set_limits(
        actor=actor_of(request),
        numbers=body.numbers(),
        agent_id=scope.agent_id,
        tenant_id=scope.tenant_id,
        reason=body.reason,
        match=request.headers.get("If-Match"),
    )
    return selectors.show_limits(scope)

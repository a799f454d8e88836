"""Limits of one tenant: by the platform, and by its own owners and administrators."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from agents.limits import selectors, services
from agents.limits.api import SET, VIEW, replace
from agents.limits.schemas import LimitsIn, LimitsOut, OwnLimitsIn, OwnLimitsOut, answered
from agents.limits.services import Scope
from qualisys import tenancy
from qualisys.access import Requires
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from qualisys.schemas import REFUSALS
from tenants import directory
from tenants.identity import identity_of
from tenants.overrides.services import enabled_agent

own = Router(tags=["limits"])
given = Router(tags=["limits"])

VIEW_OWN = Requires(services.VIEW_OWN, where="tenant")
SET_OWN = Requires(services.SET_OWN, where="tenant")


@own.get("/limits", response={200: OwnLimitsOut, **REFUSALS}, auth=VIEW_OWN)
async def get_own_limits(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """Show what your organisation may use as a whole, and what you have set lower yourself."""
    return answered(response, await in_thread(selectors.show_own_limits, tenancy.tenant().id, None))


@own.put("/limits", response={200: OwnLimitsOut, **REFUSALS}, auth=SET_OWN)
async def put_own_limits(request: HttpRequest, response: HttpResponse, body: OwnLimitsIn) -> dict[str, Any]:
    """Replace your own limits of the organisation; no number may be higher than the platform's."""
    return answered(response, await in_thread(_replace_own, request, None, body))


@own.get("/agents/{agent_id}/limits", response={200: OwnLimitsOut, **REFUSALS}, auth=VIEW_OWN)
async def get_own_agent_limits(request: HttpRequest, response: HttpResponse, agent_id: str) -> dict[str, Any]:
    """Show what your organisation may use of an agent, and what you have set lower yourself."""

    def read() -> tuple[dict[str, Any], str]:
        enabled_agent(agent_id)
        return selectors.show_own_limits(tenancy.tenant().id, agent_id)

    return answered(response, await in_thread(read))


@own.put("/agents/{agent_id}/limits", response={200: OwnLimitsOut, **REFUSALS}, auth=SET_OWN)
async def put_own_agent_limits(
    request: HttpRequest, response: HttpResponse, agent_id: str, body: OwnLimitsIn
) -> dict[str, Any]:
    """Replace your own limits of an agent; no number may be higher than the platform's."""
    return answered(response, await in_thread(_replace_own, request, agent_id, body))


@given.get("/{slug}/limits", response={200: LimitsOut, **REFUSALS}, auth=VIEW)
async def get_tenant_limits(request: HttpRequest, response: HttpResponse, slug: str) -> dict[str, Any]:
    """Show what a tenant may use as a whole."""
    return answered(response, await in_thread(selectors.show_limits, await _scope(slug)))


@given.put("/{slug}/limits", response={200: LimitsOut, **REFUSALS}, auth=SET)
async def put_tenant_limits(
    request: HttpRequest, response: HttpResponse, slug: str, body: LimitsIn
) -> dict[str, Any]:
    """Replace what the platform gives a tenant as a whole."""
    return answered(response, await in_thread(replace, request, await _scope(slug), body))


@given.get("/{slug}/agents/{agent_id}/limits", response={200: LimitsOut, **REFUSALS}, auth=VIEW)
async def get_tenant_agent_limits(
    request: HttpRequest, response: HttpResponse, slug: str, agent_id: str
) -> dict[str, Any]:
    """Show what a tenant may use of an agent."""
    return answered(response, await in_thread(selectors.show_limits, await _scope(slug, agent_id)))


@given.put("/{slug}/agents/{agent_id}/limits", response={200: LimitsOut, **REFUSALS}, auth=SET)
async def put_tenant_agent_limits(
    request: HttpRequest, response: HttpResponse, slug: str, agent_id: str, body: LimitsIn
) -> dict[str, Any]:
    """Replace what the platform gives a tenant of an agent."""
    return answered(response, await in_thread(replace, request, await _scope(slug, agent_id), body))


async def _scope(slug: str, agent_id: str | None = None) -> Scope:
    tenant = await directory.by_id(slug)
    if tenant is None:
        raise Problem("not_found", f"There is no organisation '{slug[:50]}'.")
    return Scope(agent_id, tenant.id)


def _replace_own(request: HttpRequest, agent_id: str | None, body: OwnLimitsIn) -> tuple[dict[str, Any], str]:
    tenant_id = tenancy.tenant().id
    if agent_id is not None:
        enabled_agent(agent_id)
    services.set_own_limits(
        actor=identity_of(request),
        tenant_id=tenant_id,
        numbers=body.numbers(),
        agent_id=agent_id,
        reason=body.reason,
        match=request.headers.get("If-Match"),
    )
    return selectors.show_own_limits(tenant_id, agent_id)

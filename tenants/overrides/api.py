"""A tenant's configuration of its agents, for its owners and administrators; and support's look at it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from agents import selectors as agents
from qualisys import tenancy
from qualisys.access import Requires
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from qualisys.schemas import REFUSALS, Page
from tenants import directory
from tenants.identity import identity_of
from tenants.models import Tenant
from tenants.overrides import checks, registry, selectors, services
from tenants.overrides.merge import NO_OVERRIDE, Override
from tenants.overrides.schemas import (
    ConfigIn,
    ConfigOut,
    PreviewOut,
    RestoreIn,
    SupportOut,
    TenantAgentOut,
)
from tenants.prompts import rules

router = Router(tags=["configuration"])
support = Router(tags=["administration"])

VIEW = Requires("tenants.view_tenantagentconfig", where="tenant")
CHANGE = Requires("tenants.change_tenantagentconfig", where="tenant")


def _read(agent_id: str) -> tuple[dict[str, Any], str]:
    return selectors.show_config(tenancy.tenant(), services.enabled_agent(agent_id))


def _shown(response: HttpResponse, found: tuple[dict[str, Any], str]) -> dict[str, Any]:
    response["ETag"] = found[1]
    return found[0]


@router.get("", response={200: Page[TenantAgentOut], **REFUSALS}, auth=VIEW)
async def list_tenant_agents(request: HttpRequest) -> dict[str, Any]:
    """List every agent that the platform offers, turned on or off here, with what you have changed."""
    return {"items": await in_thread(selectors.list_agents, tenancy.tenant()), "next_cursor": None}


@router.get("/{agent_id}/config", response={200: ConfigOut, **REFUSALS}, auth=VIEW)
async def get_config(request: HttpRequest, response: HttpResponse, agent_id: str) -> dict[str, Any]:
    """Show your configuration of an agent, what holds through it and why, and its history."""
    return _shown(response, await in_thread(_read, agent_id))


@router.put("/{agent_id}/config", response={200: ConfigOut, **REFUSALS}, auth=CHANGE)
async def put_config(
    request: HttpRequest, response: HttpResponse, agent_id: str, body: ConfigIn
) -> dict[str, Any]:
    """Replace your configuration of an agent; it holds for every run that starts a second later."""

    def write() -> tuple[dict[str, Any], str]:
        services.save_config(
            actor=identity_of(request),
            tenant=tenancy.tenant(),
            agent_id=agent_id,
            wishes=body.wishes(),
            reason=body.reason,
            match=request.headers.get("If-Match"),
        )
        return _read(agent_id)

    return _shown(response, await in_thread(write))


@router.delete("/{agent_id}/config", response={204: None, **REFUSALS}, auth=CHANGE)
async def delete_config(request: HttpRequest, agent_id: str, reason: str = "") -> Status[None]:
    """Return to the agent as the platform ships it; the history stays."""
    await in_thread(
        services.reset_config,
        actor=identity_of(request),
        tenant=tenancy.tenant(),
        agent_id=agent_id,
        reason=reason[:1000],
        match=request.headers.get("If-Match"),
    )
    return Status(204, None)


@router.post("/{agent_id}/config/restore", response={200: ConfigOut, **REFUSALS}, auth=CHANGE)
async def restore_config(
    request: HttpRequest, response: HttpResponse, agent_id: str, body: RestoreIn
) -> dict[str, Any]:
    """Bring back what held under an earlier revision."""

    def write() -> tuple[dict[str, Any], str]:
        services.restore_config(
            actor=identity_of(request),
            tenant=tenancy.tenant(),
            agent_id=agent_id,
            number=body.revision,
            reason=body.reason,
        )
        return _read(agent_id)

    return _shown(response, await in_thread(write))


@router.post("/{agent_id}/config/accept", response={200: ConfigOut, **REFUSALS}, auth=CHANGE)
async def accept_base(request: HttpRequest, response: HttpResponse, agent_id: str) -> dict[str, Any]:
    """Keep your prompt over a new version of the agent; the notice about it goes away."""

    def write() -> tuple[dict[str, Any], str]:
        services.accept_base(actor=identity_of(request), tenant=tenancy.tenant(), agent_id=agent_id)
        return _read(agent_id)

    return _shown(response, await in_thread(write))


@router.post("/{agent_id}/config/preview", response={200: PreviewOut, **REFUSALS}, auth=VIEW)
async def preview_config(request: HttpRequest, agent_id: str, body: ConfigIn) -> dict[str, Any]:
    """Show what would hold under a draft and what keeps it from being saved; nothing is written."""

    def read() -> dict[str, Any]:
        tenant, agent = tenancy.tenant(), services.enabled_agent(agent_id)
        wishes, problem = body.wishes(), None
        try:
            settled = checks.check_wishes(tenant, agent, wishes)
        except Problem as error:
            problem = error.document()
            # A pin that is wrong falls back; everything else can be shown as it would read.
            settled = selectors.settle(tenant, agent, Override(wishes))
        return {
            "effective": selectors.show_effective(settled),
            "problem": problem,
            "characters": len(wishes.custom_prompt or ""),
            "tokens": rules.estimate(settled.system_prompt),
        }

    return await in_thread(read)


@support.get(
    "/{slug}/agents/{agent_id}/config",
    response={200: SupportOut, **REFUSALS},
    auth=Requires("tenants.view_tenantprompt", where="platform"),
)
async def read_for_support(
    request: HttpRequest, slug: str, agent_id: str, reason: str = ""
) -> dict[str, Any]:
    """Read a tenant's prompt to help with it. Say why: the organisation sees who read it and the reason."""
    tenant = await directory.by_id(slug)
    if tenant is None:
        raise Problem("not_found", f"There is no organisation '{slug[:50]}'.")

    def read() -> dict[str, Any]:
        row = services.read_for_support(
            actor=identity_of(request),
            tenant=Tenant.objects.get(pk=tenant.id),
            agent_id=agent_id,
            reason=reason,
        )
        override = registry.from_model(row) if row else NO_OVERRIDE
        settled = selectors.settle(tenant, agents.get_agent(agent_id), override)
        return {
            "agent_id": agent_id,
            "tenant": tenant.schema,
            "custom_prompt": override.wishes.custom_prompt,
            "prompt_override_mode": override.wishes.prompt_override_mode if row else None,
            "config": override.wishes.stored() if row else None,
            "revision": override.revision,
            "effective": selectors.show_effective(settled),
        }

    return await in_thread(read)

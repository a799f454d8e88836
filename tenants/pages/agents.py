"""Settings, Agents: which agents work here, and what the organisation has made of them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents.selectors import offered_models
from qualisys import tenancy
from qualisys.icons import icon_of
from tenants import effective
from tenants.identity import identity_of
from tenants.overrides import registry, selectors, services
from tenants.overrides.merge import NO_OVERRIDE, Override
from tenants.overrides.models import TenantAgentConfig
from tenants.pages.agent_form import OverrideForm
from tenants.pages.shell import AGENTS, settings_page, show
from tenants.prompts import rules
from versions.selectors import list_versions


@settings_page(AGENTS)
@require_safe
def agents(request: HttpRequest) -> HttpResponse:
    """List every agent that the platform offers, found by `?q=`, turned on or off here."""
    wanted = request.GET.get("q", "")[:200].lower().split()
    rows = selectors.list_agents(tenancy.tenant())
    for row in rows:
        words = " ".join([row["name"], row["agent_id"], row["description"], *row["tags"]]).lower()
        row["icon"] = icon_of(row["icon"])
        row["found"] = all(word in words for word in wanted)
    switched = next((row for row in rows if row["agent_id"] == request.GET.get("switched")), None)
    return show(
        request, AGENTS, "agents", agents=[row for row in rows if row["found"]], total=len(rows),
        q=request.GET.get("q", "")[:200], switched=switched, untouched=not any(row["revision"] for row in rows),
    )  # fmt: skip


@settings_page(AGENTS)
@require_POST
def switch(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Turn an agent on or off; the list offers to undo it."""
    services.set_enabled(
        actor=identity_of(request),
        tenant=tenancy.tenant(),
        agent_id=agent_id,
        enabled=request.POST.get("enabled") == "1",
    )
    return redirect(f"{reverse('settings-agents')}?switched={agent_id}")


@settings_page(AGENTS)
@require_http_methods(["GET", "POST"])
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show what the organisation has made of an agent, or save what is sent."""
    tenant, row = tenancy.tenant(), services.enabled_agent(agent_id)
    override = _override(agent_id)
    settled = selectors.settle(tenant, row, override)
    options: dict[str, Any] = {
        "settled": settled,
        "versions": [each.version for each in list_versions(agent_id) if each.status != "retired"],
        "may_replace": effective.may_replace(tenant.tier),
    }
    if request.method == "POST":
        form = OverrideForm(request.POST, **options)
        with form.refusing():
            if form.is_valid():
                _save(request, agent_id, form, override)
                messages.success(request, f"Saved. {row.name} works like this within a second.")
                return redirect("settings-agent", agent_id=agent_id)
    else:
        number = services.latest_revision(tenant.id, agent_id)
        form = OverrideForm(initial=OverrideForm.initial_of(override.wishes, number), **options)
    shown, _ = selectors.show_config(tenant, row)
    return show(
        request, AGENTS, "agent", status=form.http_status, form=form, agent=row, override=override,
        settled=settled, config=shown, fields=_fields(shown["effective"]), offered=offered_models(settled.provider),
        tokens=rules.estimate(settled.system_prompt),
    )  # fmt: skip


@settings_page(AGENTS)
@require_POST
def restore(request: HttpRequest, agent_id: str, number: int) -> HttpResponse:
    """Bring back an earlier revision."""
    services.restore_config(
        actor=identity_of(request), tenant=tenancy.tenant(), agent_id=agent_id, number=number
    )
    messages.success(request, f"Revision {number} holds again.")
    return redirect("settings-agent", agent_id=agent_id)


@settings_page(AGENTS)
@require_POST
def accept(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Keep one's prompt over a new version of the agent."""
    services.accept_base(actor=identity_of(request), tenant=tenancy.tenant(), agent_id=agent_id)
    messages.success(request, "Accepted. Your instructions stay as they are.")
    return redirect("settings-agent", agent_id=agent_id)


@settings_page(AGENTS)
@require_http_methods(["GET", "POST"])
def reset(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Say what returning to the platform's agent means, or do it."""
    row = services.enabled_agent(agent_id)
    if request.method == "POST":
        services.reset_config(actor=identity_of(request), tenant=tenancy.tenant(), agent_id=agent_id)
        messages.success(request, f"{row.name} is the platform's again. The history has what you had.")
        return redirect("settings-agent", agent_id=agent_id)
    return show(
        request, AGENTS, "confirm", title=f"Return to the platform's {row.name}?", button="Return to it", danger=True,
        back="settings-agents",
        consequences=(
            "Your instructions, model, version, limits and tags no longer apply, within a second.",
            "The agent is turned on.",
            "The history stays: any earlier revision can be restored.",
        ),
    )  # fmt: skip


def _override(agent_id: str) -> Override:
    row = TenantAgentConfig.objects.filter(tenant_id=tenancy.tenant().id, agent__agent_id=agent_id).first()
    return registry.from_model(row) if row else NO_OVERRIDE


def _save(request: HttpRequest, agent_id: str, form: OverrideForm, override: Override) -> None:
    seen = form.cleaned_data["revision"]
    services.save_config(
        actor=identity_of(request),
        tenant=tenancy.tenant(),
        agent_id=agent_id,
        wishes=form.wishes(enabled=override.enabled),
        reason=form.cleaned_data["reason"],
        match=None if seen is None else services.entity_tag(seen),
    )


def _fields(shown: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the short fields of an effective configuration for the table that says where each is from."""
    names = {
        "version": "Version", "llm_provider": "Provider", "llm_model": "Model", "max_tokens": "Tokens a run",
        "timeout_seconds": "Seconds a run", "tags": "Tags",
    }  # fmt: skip
    rows = [{"label": label, **shown[name]} for name, label in names.items()]
    others = [f"{each['provider']} {each['model']}" for each in shown["fallbacks"]["value"]]
    rows.insert(3, {**shown["fallbacks"], "label": "When it is away", "value": others})
    gates = [gate.get("title") or gate["name"] for gate in shown["approval_gates"]["value"]]
    rows.append({**shown["approval_gates"], "label": "Approval gates", "value": gates})
    for row in rows:
        if isinstance(row["value"], list):
            row["value"] = ", ".join(row["value"]) or "none"
    return rows

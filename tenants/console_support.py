"""Support's look at a tenant's prompt: with a reason, recorded, and shown to the tenant."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from agents import selectors as agents
from agents.models import AgentDefinition
from qualisys.console import PlainAdmin, ServiceForm, act
from qualisys.problems import Problem
from tenants.models import Tenant
from tenants.overrides import registry, selectors, services
from tenants.overrides.merge import NO_OVERRIDE


class ReadPromptForm(ServiceForm):
    """Which prompt is read, and why."""

    agent = forms.ModelChoiceField(
        queryset=AgentDefinition.objects.order_by("name"),
        to_field_name="agent_id",
        widget=UnfoldAdminSelectWidget(),
        empty_label=None,
    )
    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text="One sentence, such as the ticket. The organisation sees who read its prompt, when, and this.",
    )


class SupportAdmin(PlainAdmin):
    """The part of the tenants' console that support works with."""

    def has_prompt_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those who may read prompts for support."""
        return bool(request.user.has_perm("tenants.view_tenantprompt"))

    @act("Read a prompt", "visibility", "prompt")
    def read_prompt(self, request: Any, object_id: str) -> HttpResponse:
        """Show what a tenant has made of an agent, after recording who looks and why."""
        tenant: Tenant = self.found(request, object_id)  # type: ignore[attr-defined]
        form = ReadPromptForm(request.POST or None)
        shown: dict[str, Any] = {}
        if request.method == "POST" and form.is_valid():
            agent = form.cleaned_data["agent"]
            try:
                shown = _read(request, tenant, agent.agent_id, form.cleaned_data["reason"])
            except Problem as problem:
                form.refuse(problem)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Read a prompt of {tenant.name}",
            "opts": self.model._meta,
            "tenant_row": tenant,
            "form": form,
            **shown,
        }
        return TemplateResponse(request, "admin/tenants/prompt.html", context)


def _read(request: Any, tenant: Tenant, agent_id: str, reason: str) -> dict[str, Any]:
    row = services.read_for_support(actor=request.identity, tenant=tenant, agent_id=agent_id, reason=reason)
    override = registry.from_model(row) if row else NO_OVERRIDE
    settled = selectors.settle(tenant.values(), agents.get_agent(agent_id), override)
    effective = selectors.show_effective(settled)
    rows = [
        {"name": name, **value}
        for name, value in effective.items()
        if isinstance(value, dict) and name not in ("system_prompt", "output_schema", "output_template")
    ]
    return {"read": settled.agent, "override": override, "layers": effective["layers"], "rows": rows}

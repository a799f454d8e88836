"""Agents in the console. `versions.admin` registers them, because registering writes the first version too."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents import console_models as console_models
from agents import console_prices as console_prices
from agents import console_stops as console_stops
from agents import services
from agents.forms import AgentForm
from agents.models import AgentDefinition
from qualisys.cells import code, column, icon, moment, state
from qualisys.console import ServiceAdmin, Step, act


class AgentAdmin(ServiceAdmin):
    """The registry: what can run, under which limits, and the kill switch."""

    form = AgentForm
    audit_type = "agent"
    first_step = (
        "An agent is a name, a model, limits and a prompt. Register one and its roles can run it at once."
    )
    list_display: tuple[str, ...] = ("agent", "key", "type", "phase", "answers", "switch", "first_run")
    list_filter = ("enabled", "type", "phase", "llm_provider")
    search_fields = ("agent_id", "name", "description")
    search_help_text = "Search by name, id or description"
    readonly_fields = ("switch", "type", "first_run", "created", "updated")
    actions_detail = ("turn_off", "turn_on")
    offers = {"turn_off": lambda agent: agent.enabled, "turn_on": lambda agent: not agent.enabled}
    fieldsets = (
        ("State", {"fields": ("switch", "type", "first_run", "created", "updated")}),
        ("Who it is", {"fields": ("agent_id", "name", "description", "phase", "tags", "icon", "read_at")}),
        (
            "What answers",
            {
                "fields": (
                    "llm_provider",
                    "llm_model",
                    "fallbacks",
                    "max_tokens_per_invocation",
                    "timeout_seconds",
                    "input_types",
                )
            },
        ),
        ("Who may use it", {"fields": ("required_roles", "access")}),
        ("Who approves", {"fields": ("approval_gates",)}),
        ("More", {"fields": ("metadata",)}),
    )

    @column("Agent", ordering="name")
    def agent(self, obj: AgentDefinition) -> SafeString:
        """Icon and name."""
        return format_html('<span class="q-agent">{}<span>{}</span></span>', icon(obj.icon), obj.name)

    @column("Id", ordering="agent_id")
    def key(self, obj: AgentDefinition) -> SafeString:
        """The id integrators use."""
        return code(obj.agent_id)

    @column("Provider and model", ordering="llm_model")
    def answers(self, obj: AgentDefinition) -> str:
        """What answers."""
        return f"{obj.llm_provider} · {obj.llm_model}"

    @column("State", ordering="enabled")
    def switch(self, obj: AgentDefinition) -> SafeString:
        """Whether it may run."""
        return state("healthy", "On") if obj.enabled else state("paused", "Off")

    @column("First run", ordering="first_execution_at")
    def first_run(self, obj: AgentDefinition) -> SafeString:
        """When it ran for the first time."""
        return moment(obj.first_execution_at, "not yet")

    @column("Registered")
    def created(self, obj: AgentDefinition) -> SafeString:
        """When it was registered."""
        return moment(obj.created_at)

    @column("Last changed")
    def updated(self, obj: AgentDefinition) -> SafeString:
        """When its definition last changed."""
        return moment(obj.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep an agent's id for good."""
        return (*self.readonly_fields, "agent_id") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the form's own memory out of a page that only shows."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [
            (name, {**box, "fields": [f for f in box["fields"] if f != "read_at"]}) for name, box in found
        ]

    def trail_of(self, obj: AgentDefinition) -> dict[str, str]:
        """Name the agent as the audit trail does."""
        return {**super().trail_of(obj), "object_id": obj.agent_id}

    def write(self, request: Any, form: Any, obj: Any) -> AgentDefinition:
        """Change the definition; whether the agent is on is decided by the kill switch alone."""
        with transaction.atomic():
            row = AgentDefinition.objects.select_for_update().get(pk=obj.pk)
            data = {**form.data_of_agent(), "enabled": row.enabled}
            return services.update_agent(actor=request.identity, agent_id=row.agent_id, data=data)

    def has_turn_off_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Leave the kill switch to those who may use it."""
        return request.user.has_perm("agents.delete_agentdefinition")

    def has_turn_on_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those who may change an agent bring it back."""
        return request.user.has_perm("agents.change_agentdefinition")

    @act("Turn off", "power_settings_new", "turn_off", hurts=True)
    def turn_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The kill switch."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Turn off {obj.name}?",
            consequences=(
                "No tenant can start it any more, within one second, on every server.",
                "Members no longer see it. Integrators get agent_not_found.",
                "Runs under way go on to their end. Nothing is deleted.",
            ),
            button="Turn off",
            done=f"{obj.name} is off everywhere.",
            do=lambda reason: self._switch(request, obj, enabled=False, reason=reason),
        )
        return self.ask(request, obj, step)

    @act("Turn on", "play_arrow", "turn_on")
    def turn_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Bring the agent back."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Turn on {obj.name}?",
            consequences=("Every tenant whose roles allow it can start it again, within one second.",),
            button="Turn on",
            done=f"{obj.name} is on.",
            do=lambda reason: self._switch(request, obj, enabled=True, reason=reason),
            danger=False,
        )
        return self.ask(request, obj, step)

    def _switch(self, request: Any, obj: AgentDefinition, *, enabled: bool, reason: str) -> None:
        services.set_enabled(actor=request.identity, agent_id=obj.agent_id, enabled=enabled, reason=reason)

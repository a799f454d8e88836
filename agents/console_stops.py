"""Stopping a provider or model by hand, in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from agents import services
from agents.forms import OfModelForm
from agents.models import ModelStop
from qualisys.cells import code, column, moment, state
from qualisys.console import ServiceAdmin, Step, act


class StopForm(OfModelForm):
    """What is stopped, why, and that it is meant."""

    model = forms.CharField(
        max_length=100, required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "gpt-4o-mini"}),
        help_text="Exactly as the provider calls it. Empty: all of the provider's models.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=1000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="One sentence. It is shown in this list and kept in the audit trail, for good.",
    )  # fmt: skip
    confirmed = forms.BooleanField(
        label="Stop it now", widget=UnfoldBooleanWidget(),
        error_messages={"required": "Tick this if you mean it: it holds for every tenant."},
    )  # fmt: skip

    class Meta:
        """What a stop is."""

        model = ModelStop
        fields = ["provider", "model", "reason"]


@admin.register(ModelStop)
class ModelStopAdmin(ServiceAdmin):
    """Providers and models that nothing calls for now."""

    form = StopForm
    audit_type = "model_stop"
    first_step = "Nothing is stopped. Stop a provider or model here when its answers cannot be trusted."
    list_display = ("title", "provider", "standing", "reason", "created")
    list_filter = ("provider",)
    readonly_fields = ("standing", "created")
    actions_detail = ("resume",)
    offers = {"resume": lambda row: True}
    add_fieldsets = (
        ("Stop a provider or model", {"fields": ("provider", "model", "reason", "confirmed"),
            "description": "Within a second no run of any tenant calls it any more. Agents that name other models "
                           "go on with those, where the tenant allows it; runs of the others are refused until you "
                           "resume it. Nothing is deleted."}),
    )  # fmt: skip
    fieldsets = (("Stop", {"fields": ("standing", "provider", "model", "reason", "created")}),)

    @column("Model", ordering="model")
    def title(self, obj: ModelStop) -> SafeString | str:
        """What the provider calls it."""
        return code(obj.model) if obj.model else "All of the provider's"

    @column("State")
    def standing(self, obj: ModelStop) -> SafeString:
        """That it is stopped."""
        return state("paused", "Stopped")

    @column("Since", ordering="created_at")
    def created(self, obj: ModelStop) -> SafeString:
        """When it was stopped."""
        return moment(obj.created_at)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a stop ends, and a new one says what is true then."""
        return False

    def trail_of(self, obj: ModelStop) -> dict[str, str]:
        """Name the stop as the audit trail does."""
        return {**super().trail_of(obj), "object_id": obj.provider}

    def write(self, request: Any, form: Any, obj: ModelStop | None) -> ModelStop:
        """Stop it."""
        values = form.cleaned_data
        return services.stop_model(
            actor=request.identity,
            provider=values["provider"],
            model=values["model"],
            reason=values["reason"],
        )

    def has_resume_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those resume it who may stop."""
        return request.user.has_perm("agents.change_modelstop")

    @act("Resume", "play_arrow", "resume")
    def resume(self, request: Any, object_id: str) -> HttpResponse:
        """End the stop."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Resume {obj}?",
            consequences=("Within a second runs of every tenant may call it again.",),
            button="Resume",
            done=f"{obj} may be called again.",
            do=lambda reason: services.resume_model(actor=request.identity, stop_id=obj.pk, reason=reason),
            danger=False,
        )
        answer = self.ask(request, obj, step)
        return redirect("admin:agents_modelstop_changelist") if answer.status_code == 302 else answer

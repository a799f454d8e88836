"""Models that tenants may choose, in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from agents import services
from agents.forms import OfModelForm
from agents.models import ModelOffer
from qualisys.cells import code, column, moment, state
from qualisys.console import ServiceAdmin, Step, act


class ModelOfferForm(OfModelForm):
    """A model of a provider."""

    class Meta:
        """What an offer is."""

        model = ModelOffer
        fields = ["provider", "model"]


@admin.register(ModelOffer)
class ModelOfferAdmin(ServiceAdmin):
    """Which models tenants may choose; a provider without any offer lets them choose freely."""

    form = ModelOfferForm
    audit_type = "model_offer"
    first_step = "While a provider has no model here, tenants may choose any of it. The first one ends that."
    list_display = ("title", "provider", "standing", "created")
    list_filter = ("provider", "enabled")
    search_fields = ("model",)
    search_help_text = "Search by model"
    readonly_fields = ("standing", "created")
    actions_detail = ("withdraw", "offer_again")
    offers = {"withdraw": lambda row: row.enabled, "offer_again": lambda row: not row.enabled}
    add_fieldsets = (("New offer", {"fields": ("provider", "model")}),)
    fieldsets = (("State", {"fields": ("standing", "created")}), ("Model", {"fields": ("provider", "model")}))

    @column("Model", ordering="model")
    def title(self, obj: ModelOffer) -> SafeString:
        """What the provider calls it."""
        return code(obj.model)

    @column("State", ordering="enabled")
    def standing(self, obj: ModelOffer) -> SafeString:
        """Whether tenants may choose it."""
        return state("healthy", "Offered") if obj.enabled else state("paused", "Withdrawn")

    @column("Since", ordering="created_at")
    def created(self, obj: ModelOffer) -> SafeString:
        """When it was added."""
        return moment(obj.created_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep what an offer is for good."""
        return (*self.readonly_fields, "provider", "model") if obj else self.readonly_fields

    def trail_of(self, obj: ModelOffer) -> dict[str, str]:
        """Name the offer as the audit trail does."""
        return {**super().trail_of(obj), "object_id": obj.model}

    def write(self, request: Any, form: Any, obj: ModelOffer | None) -> ModelOffer:
        """Add the offer; there is nothing to change about one."""
        if obj is not None:
            return obj
        values = form.cleaned_data
        return services.offer_model(
            actor=request.identity, provider=values["provider"], model=values["model"]
        )

    def has_switch_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those who may offer a model withdraw it."""
        return request.user.has_perm("agents.change_modeloffer")

    @act("Withdraw", "block", "switch", hurts=True)
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let tenants choose it no longer."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Withdraw {obj.model}?",
            consequences=(
                "Tenants cannot choose it any more. Those that have it keep it until they save again.",
                "While a provider has no model that is offered, tenants may choose any of it.",
            ),
            button="Withdraw",
            done=f"{obj.model} is withdrawn.",
            do=lambda reason: self._switch(request, obj, enabled=False, reason=reason),
        )
        return self.ask(request, obj, step)

    @act("Offer again", "play_arrow", "switch")
    def offer_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let tenants choose it again."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Offer {obj.model} again?",
            consequences=("Tenants may choose it from now on.",),
            button="Offer",
            done=f"{obj.model} is offered.",
            do=lambda reason: self._switch(request, obj, enabled=True, reason=reason),
            danger=False,
        )
        return self.ask(request, obj, step)

    def _switch(self, request: Any, obj: ModelOffer, *, enabled: bool, reason: str) -> None:
        services.set_offer_enabled(actor=request.identity, row=obj, enabled=enabled, reason=reason)

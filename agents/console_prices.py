"""What models cost, in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from pydantic import ValidationError as Invalid

from agents import services
from agents.definitions import as_problem
from agents.forms import OfModelForm
from agents.models import ModelPrice
from agents.prices import Listed
from qualisys.cells import code, column, moment
from qualisys.console import ServiceAdmin, Step, act
from qualisys.problems import Problem


class PriceForm(OfModelForm):
    """A line of the price table."""

    class Meta:
        """What a price is."""

        model = ModelPrice
        fields = [*Listed.model_fields]
        labels = {
            "input_price": "US dollars a million tokens in",
            "output_price": "US dollars a million tokens out",
            "max_output_tokens": "Longest answer, in tokens",
        }
        help_texts = {
            "max_output_tokens": "A run asks for no more. Empty: the agent's own limit alone holds.",
            "source": "Where the price is from, such as a contract or a page and its date.",
        }

    def clean(self) -> dict[str, Any]:
        """Ask the price's own rules."""
        values = super().clean()
        if self.refusal is None and not self.errors:
            try:
                self.listed()
            except Invalid as error:
                self.refuse(as_problem(error))
        return values

    def listed(self) -> Listed:
        """Return what was typed."""
        names = {
            name: self.cleaned_data.get(name, getattr(self.instance, name)) for name in Listed.model_fields
        }
        return Listed(**names)


@admin.register(ModelPrice)
class ModelPriceAdmin(ServiceAdmin):
    """What runs are reckoned at; a model without a price counts as the dearest."""

    form = PriceForm
    audit_type = "model_price"
    first_step = "Enter what a model costs. One without a price counts as the dearest, lest a ceiling is passed unseen."
    list_display = (
        "title",
        "provider",
        "input_price",
        "output_price",
        "max_output_tokens",
        "source",
        "changed",
    )
    list_filter = ("provider",)
    search_fields = ("model", "source")
    search_help_text = "Search by model or source"
    readonly_fields = ("changed",)
    actions_detail = ("remove",)
    offers = {"remove": lambda row: True}
    add_fieldsets = (("New price", {"fields": tuple(Listed.model_fields)}),)
    fieldsets = (
        ("Price", {"fields": (*Listed.model_fields, "changed"),
                   "description": "Runs that start a second after a change are reckoned at it; earlier ones stay."}),
    )  # fmt: skip

    @column("Model", ordering="model")
    def title(self, obj: ModelPrice) -> SafeString:
        """What the provider calls it."""
        return code(obj.model)

    @column("Changed", ordering="updated_at")
    def changed(self, obj: ModelPrice) -> SafeString:
        """When it last changed."""
        return moment(obj.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep what a price is of for good."""
        return (*self.readonly_fields, "provider", "model") if obj else self.readonly_fields

    def trail_of(self, obj: ModelPrice) -> dict[str, str]:
        """Name the price as the audit trail does."""
        return {**super().trail_of(obj), "object_id": obj.model}

    def write(self, request: Any, form: Any, obj: ModelPrice | None) -> ModelPrice:
        """Enter the price; a new line never replaces one that is there."""
        listed: Listed = form.listed()
        known = ModelPrice.objects.filter(provider=listed.provider, model=listed.model.strip())
        if obj is None and known.exists():
            raise Problem("conflict", f"{listed.provider} {listed.model} has a price already. Change that.")
        return services.set_price(actor=request.identity, price=listed)

    def has_remove_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those who may change a price take it away."""
        return request.user.has_perm("agents.change_modelprice")

    @act("Remove", "delete", "remove", hurts=True)
    def remove(self, request: Any, object_id: str) -> HttpResponse:
        """Take the price away."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Remove the price of {obj.model}?",
            consequences=(
                "Runs of it are reckoned at the dearest price in the table, so that no ceiling is passed unseen.",
                "What earlier runs cost stays as it was reckoned.",
            ),
            button="Remove",
            done=f"{obj.model} has no price any more.",
            do=lambda reason: services.remove_price(actor=request.identity, row=obj, reason=reason),
        )
        answer = self.ask(request, obj, step)
        return redirect("admin:agents_modelprice_changelist") if answer.status_code == 302 else answer

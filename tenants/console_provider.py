"""Organisations' own providers in the console: kept for them by the platform, and eased in an emergency."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from qualisys import roles, tenancy
from qualisys.cells import column, moment, state
from qualisys.console import ServiceAdmin, ServiceModelForm, Step, act
from tenants.models import Tenant
from tenants.signin import provider
from tenants.signin.models import IdentityProvider


class ProviderForm(ServiceModelForm):
    """What an organisation's provider is, as its owners could write it down themselves."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.order_by("name"), empty_label="Choose a tenant", widget=UnfoldAdminSelectWidget()
    )
    issuer = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "https://"}),
        help_text="Its address as it names itself. It is asked for its description when you save.",
    )
    client_id = forms.CharField(max_length=300, label="Client id", widget=UnfoldAdminTextInputWidget())
    new_secret = forms.CharField(
        max_length=1000, required=False, label="Client secret",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted and never shown again. Empty keeps the one there is.",
    )  # fmt: skip
    domains = forms.CharField(
        max_length=2000, label="E-mail domains", widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="One on each line. Only verified addresses of these come in.",
    )  # fmt: skip
    default_role = forms.ChoiceField(
        required=False, label="Newcomers become", widget=UnfoldAdminSelectWidget(),
        choices=[("", "Nobody: only invited people come in"), *(c for c in roles.CHOICES if c[0] != "owner")],
    )  # fmt: skip

    class Meta:
        """Secret and domains have a shape of their own."""

        model = IdentityProvider
        fields = ["tenant", "issuer", "client_id", "default_role", "is_required"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["domains"] = "\n".join(self.instance.domains)

    def wanted(self) -> provider.Wanted:
        """Return what was typed."""
        values = self.cleaned_data
        return provider.Wanted(
            issuer=values["issuer"].strip(),
            client_id=values["client_id"],
            client_secret=values["new_secret"],
            domains=provider.domains(values["domains"]),
            default_role=values["default_role"],
            is_required=values["is_required"],
        )


@admin.register(IdentityProvider)
class IdentityProviderAdmin(ServiceAdmin):
    """Through what an organisation's members sign in."""

    audit_type = "identity_provider"
    first_step = (
        "Owners keep their organisation's provider under Settings, Sign-in. You can do it for them here."
    )
    form = ProviderForm
    list_display = ("organisation", "issuer", "admitted", "standing", "changed")
    list_select_related = ("tenant",)
    search_fields = ("issuer", "tenant__name", "tenant__schema_name")
    search_help_text = "Search by tenant or issuer"
    actions_detail = ("ease",)
    offers = {"ease": lambda row: row.is_required}
    _fields = ("tenant", "issuer", "client_id", "new_secret", "domains", "default_role", "is_required")
    add_fieldsets = (("New provider", {"fields": _fields}),)
    fieldsets = (("Provider", {"fields": ("standing", *_fields[1:])}),)

    @column("Tenant", ordering="tenant__name")
    def organisation(self, obj: IdentityProvider) -> str:
        """Whose it is."""
        return obj.tenant.name

    @column("Domains")
    def admitted(self, obj: IdentityProvider) -> SafeString:
        """Whose addresses come in."""
        return format_html_join(" ", '<span class="q-tag">{}</span>', ((each,) for each in obj.domains))

    @column("State", ordering="is_required")
    def standing(self, obj: IdentityProvider) -> SafeString:
        """Whether members have to use it."""
        return state("attention", "Demanded") if obj.is_required else state("healthy", "Offered")

    @column("Changed", ordering="changed_at")
    def changed(self, obj: IdentityProvider) -> SafeString:
        """When it was last changed."""
        return moment(obj.changed_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show whether it is demanded; a provider stays its tenant's."""
        return ("standing",) if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form; of one that is there the tenant is fixed."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            form.base_fields.pop("tenant", None)
        return form

    def trail_of(self, obj: IdentityProvider) -> dict[str, str]:
        """Name the provider as the tenant's audit trail does."""
        return {"chain": str(obj.tenant_id), "object_id": obj.issuer}

    def write(self, request: Any, form: Any, obj: Any) -> IdentityProvider:
        """Keep it, as the tenant's."""
        tenant: Tenant = obj.tenant if obj is not None else form.cleaned_data["tenant"]
        with tenancy.use(tenant.values()):
            return provider.save(actor=request.identity, wanted=form.wanted())

    def has_ease_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those ease it who may change it."""
        return request.user.has_perm(provider.PERM)

    @act("Stop demanding it", "lock_open", "ease", hurts=True)
    def ease(self, request: Any, object_id: str) -> HttpResponse:
        """Let members use their passwords again, for the day their provider fails."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Let members of {obj.tenant.name} use passwords again?",
            consequences=(
                "Passwords and passkeys are accepted beside the provider, at once.",
                "The provider stays as it is; its owners can demand it again.",
            ),
            button="Stop demanding it",
            done=f"{obj.tenant.name} accepts passwords beside its provider.",
            do=lambda reason: self._ease(request, obj),
        )
        return self.ask(request, obj, step)

    def _ease(self, request: Any, obj: IdentityProvider) -> None:
        with tenancy.use(obj.tenant.values()):
            provider.ease(actor=request.identity)

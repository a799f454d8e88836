"""API keys in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from qualisys.cells import code, column, moment, state
from qualisys.console import ServiceAdmin, Step, act
from tenants import api_keys
from tenants.console_forms import NewKeyForm
from tenants.console_people import shown_once
from tenants.models import ApiKey


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    """Keys, shown by their prefix; the secret was shown once and is not stored."""

    audit_type = "api_key"
    first_step = "Integrators send a key instead of signing in. It acts as its owner and is shown once."
    list_display = ("name", "beginning", "tenant_", "acts_as", "limits", "standing", "expires", "used")
    list_filter = ("tenant",)
    list_select_related = ("tenant", "owner")
    search_fields = ("name", "prefix", "owner__email", "tenant__name")
    search_help_text = "Search by name, prefix, owner or tenant"
    readonly_fields = (
        "standing",
        "name",
        "beginning",
        "tenant_",
        "acts_as",
        "limits",
        "expires",
        "used",
        "created",
    )
    actions_detail = ("revoke",)
    offers = {"revoke": lambda key: key.revoked_at is None}
    add_fieldsets = (("New key", {"fields": ("name", "owner", "tenant", "scopes", "lifetime")}),)
    fieldsets = ((None, {"fields": readonly_fields}),)

    @column("Prefix", ordering="prefix")
    def beginning(self, obj: ApiKey) -> SafeString:
        """What identifies it."""
        return code(obj.prefix)

    @column("Tenant", ordering="tenant__name")
    def tenant_(self, obj: ApiKey) -> str:
        """Whose data it opens."""
        return obj.tenant.name if obj.tenant else "Platform"

    @column("Acts as", ordering="owner__email")
    def acts_as(self, obj: ApiKey) -> str:
        """Its owner."""
        return obj.owner.email

    @column("Scopes")
    def limits(self, obj: ApiKey) -> SafeString:
        """What it is limited to."""
        scopes = format_html_join(" ", '<span class="q-tag">{}</span>', ((scope,) for scope in obj.scopes))
        return scopes or SafeString("All that its owner may do")

    @column("State")
    def standing(self, obj: ApiKey) -> SafeString:
        """Whether it works."""
        if obj.revoked_at is not None:
            return state("paused", "Revoked")
        if obj.expires_at is not None and obj.expires_at <= timezone.now():
            return state("paused", "Expired")
        return state("healthy", "Works") if obj.owner.is_active else state("attention", "Owner deactivated")

    @column("Expires", ordering="expires_at")
    def expires(self, obj: ApiKey) -> SafeString:
        """When it ends by itself."""
        return moment(obj.expires_at)

    @column("Last used", ordering="last_used_at")
    def used(self, obj: ApiKey) -> SafeString:
        """When it was last used."""
        return moment(obj.last_used_at)

    @column("Created")
    def created(self, obj: ApiKey) -> SafeString:
        """When it was created."""
        return moment(obj.created_at)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask for a new key; an existing one has nothing to type."""
        return super().get_form(request, obj, change, **(kwargs if obj else {"form": NewKeyForm, **kwargs}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show a key, describe a new one."""
        return self.readonly_fields if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Change nothing by typing: a key is revoked, and another one is created."""
        return False

    def trail_of(self, obj: ApiKey) -> dict[str, str]:
        """Name the key as its chain does."""
        chain = {"chain": str(obj.tenant_id)} if obj.tenant_id else {}
        return {**super().trail_of(obj), **chain, "object_id": obj.prefix}

    def write(self, request: Any, form: Any, obj: Any) -> ApiKey:
        """Create the key; its text goes to the answer and nowhere else."""
        values = form.cleaned_data
        row, request.new_key = api_keys.create_api_key(
            actor=request.identity,
            tenant_id=values["tenant"].pk if values["tenant"] else None,
            owner=values["owner"],
            name=values["name"],
            scopes=values["scopes"],
            expires_at=form.expires_at(),
        )
        return row

    def response_add(self, request: Any, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        """Show the key, this once."""
        return shown_once(
            self, request, obj, title="The key was created", secret=request.new_key, label="API key",
            advice="Send it as X-API-Key. Whoever has it may do what its owner may.",
        )  # fmt: skip

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those revoke a key who may change it."""
        return request.user.has_perm("tenants.change_apikey")

    @act("Revoke", "block", "revoke", hurts=True)
    def revoke(self, request: Any, object_id: str) -> HttpResponse:
        """End the key."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Revoke {obj.name}?",
            consequences=(
                "Whatever uses it is refused within one second, on every server.",
                "It cannot be brought back: create another key instead.",
            ),
            button="Revoke",
            done=f"{obj.name} is revoked.",
            do=lambda reason: api_keys.revoke_api_key(actor=request.identity, key=obj),
        )
        return self.ask(request, obj, step)

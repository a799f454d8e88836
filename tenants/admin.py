"""Tenants in the console; people and members are in `tenants.console_people`, keys in `tenants.console_keys`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from redis import RedisError

from qualisys.cells import code, column, moment, state
from qualisys.console import ServiceAdmin, Step, act
from tenants import console_keys as console_keys
from tenants import console_limits as console_limits
from tenants import console_patterns as console_patterns
from tenants import console_people as console_people
from tenants import console_provider as console_provider
from tenants import services, tasks
from tenants.console_forms import NewTenantForm, TenantForm
from tenants.console_support import SupportAdmin
from tenants.models import Tenant, TenantStatus


@admin.register(Tenant)
class TenantAdmin(SupportAdmin, ServiceAdmin):
    """Client tenants. Deleting one is left to the command line, where it has to be spelled out."""

    audit_type = "tenant"
    first_step = "Give a tenant a short name and a host; then add its members."
    list_display = ("title", "slug", "tier", "standing", "hosts", "people", "created")
    list_filter = ("status", "tier")
    search_fields = ("name", "schema_name", "domains__domain")
    search_help_text = "Search by name, short name or host"
    list_before_template = "admin/tenants/requested.html"
    readonly_fields = ("standing", "slug", "hosts", "people", "created")
    actions_detail = ("read_prompt", "suspend", "activate")
    offers = {
        "read_prompt": lambda tenant: True,
        "suspend": lambda tenant: tenant.status == TenantStatus.ACTIVE,
        "activate": lambda tenant: tenant.status == TenantStatus.SUSPENDED,
    }
    add_fieldsets = (
        ("New tenant", {"fields": ("schema_name", "name", "tier", "hosts"),
                "description": "The tenant gets a database schema of its own. It is created in the "
                               "background and appears in the list within seconds."}),
    )  # fmt: skip
    fieldsets = (
        ("State", {"fields": ("standing", "slug", "hosts", "people", "created"),
                   "description": "To delete a tenant with all its data, suspend it and run "
                                  "<code>manage.py tenant delete</code> on the command line."}),
        ("Settings", {"fields": ("name", "tier")}),
    )  # fmt: skip

    @column("Name", ordering="name")
    def title(self, obj: Tenant) -> str:
        """Display name."""
        return obj.name

    @column("Short name", ordering="schema_name")
    def slug(self, obj: Tenant) -> SafeString:
        """The slug, which is also the schema's name."""
        return code(obj.schema_name)

    @column("Status", ordering="status")
    def standing(self, obj: Tenant) -> SafeString:
        """Whether its members may work."""
        return state("healthy" if obj.status == TenantStatus.ACTIVE else "paused", obj.get_status_display())

    @column("Hosts")
    def hosts(self, obj: Tenant) -> SafeString:
        """Where its members find it."""
        return format_html_join(" ", "{}", ((code(host.domain),) for host in obj.domains.all()))

    @column("People", ordering="active_members")
    def people(self, obj: Tenant) -> SafeString:
        """How many active members it has."""
        url = f"{reverse('admin:tenants_membership_changelist')}?tenant__id__exact={obj.pk}"
        return format_html('<a class="q-link" href="{}">{}</a>', url, getattr(obj, "active_members", 0))

    @column("Created", ordering="created_at")
    def created(self, obj: Tenant) -> SafeString:
        """When it was created."""
        return moment(obj.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """Count members and read hosts without a query per row."""
        members = Count("memberships", filter=Q(memberships__is_active=True), distinct=True)
        found: QuerySet[Tenant] = super().get_queryset(request).annotate(active_members=members)
        return found.prefetch_related("domains")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for asking for a tenant, or for changing one."""
        return super().get_form(request, obj, change, form=TenantForm if obj else NewTenantForm, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Type the hosts of a new tenant."""
        return self.readonly_fields if obj else ()

    def trail_of(self, obj: Tenant) -> dict[str, str]:
        """Name the tenant as the audit trail does."""
        return {**super().trail_of(obj), "object_id": obj.schema_name}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show what is being created, too."""
        try:
            requested = tasks.requested()
        except RedisError:
            requested = []
        return super().changelist_view(request, {"requested": requested, **(extra_context or {})})

    def write(self, request: Any, form: Any, obj: Any) -> Any:
        """Change the tenant, or ask for one."""
        values = form.cleaned_data
        if obj is not None:
            return services.update_tenant(
                actor=request.identity, tenant=obj, name=values["name"], tier=values["tier"]
            )
        tasks.request_tenant(
            actor=request.identity, slug=values["schema_name"], name=values["name"], tier=values["tier"],
            hosts=values["hosts"],
        )  # fmt: skip
        return form.instance

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note nothing yet: the tenant's own creation is in the audit trail."""

    def response_add(self, request: HttpRequest, obj: Tenant, post_url_continue: Any = None) -> HttpResponse:
        """Say that it takes a moment."""
        messages.info(
            request, f"{obj.name} is being created. It appears in the list within seconds: reload the page."
        )
        return redirect("admin:tenants_tenant_changelist")

    def has_stop_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those who may change a tenant suspend and activate it."""
        return request.user.has_perm("tenants.change_tenant")

    @act("Suspend", "pause", "stop", hurts=True)
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shut the tenant's doors."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Suspend {obj.name}?",
            consequences=(
                "Its pages, its API keys and its tokens are refused, within one second, on every server.",
                "Nothing is deleted. Activating it again restores everything.",
            ),
            button="Suspend",
            done=f"{obj.name} is suspended.",
            do=lambda reason: self._set(request, obj, TenantStatus.SUSPENDED, reason),
        )
        return self.ask(request, obj, step)

    @act("Activate", "play_arrow", "stop")
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the tenant's doors again."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Activate {obj.name}?",
            consequences=("Its members and its keys may work again, within one second.",),
            button="Activate",
            done=f"{obj.name} is active.",
            do=lambda reason: self._set(request, obj, TenantStatus.ACTIVE, reason),
            danger=False,
        )
        return self.ask(request, obj, step)

    def _set(self, request: Any, obj: Tenant, status: TenantStatus, reason: str) -> None:
        services.set_status(actor=request.identity, tenant=obj, status=status, reason=reason)

"""Tenants, people, members and keys in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from redis import RedisError
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from qualisys.console import ServiceAdmin, Step, code, moment, state
from tenants import services, tasks
from tenants.console_forms import MemberForm, NewKeyForm, NewMemberForm, NewPersonForm, NewTenantForm, TenantForm
from tenants.models import ApiKey, Membership, Tenant, TenantStatus, User


def _shown_once(model_admin: ServiceAdmin, request: HttpRequest, obj: Any, **context: Any) -> HttpResponse:
    """Answer with a secret, this once: it is in no session, no log and no cache."""
    full = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts, "original": obj, **context}
    response = TemplateResponse(request, "admin/tenants/shown_once.html", full)
    response["Cache-Control"] = "no-store"
    return response


@admin.register(Tenant)
class TenantAdmin(ServiceAdmin):
    """Client organisations. Deleting one is left to the command line, where it has to be spelled out."""

    audit_type = "tenant"
    list_display = ("title", "slug", "tier", "standing", "hosts", "people", "created")
    list_filter = ("status", "tier")
    search_fields = ("name", "schema_name", "domains__domain")
    search_help_text = "Search by name, short name or host"
    list_before_template = "admin/tenants/requested.html"
    readonly_fields = ("standing", "slug", "hosts", "people", "created")
    actions_detail = ("suspend", "activate")
    add_fieldsets = (
        (None, {"fields": ("schema_name", "name", "tier", "hosts"),
                "description": "The organisation gets a database schema of its own. It is created in the "
                               "background and appears in the list within seconds."}),
    )  # fmt: skip
    fieldsets = (
        ("State", {"fields": ("standing", "slug", "hosts", "people", "created"),
                   "description": "To delete an organisation with all its data, suspend it and run "
                                  "<code>manage.py tenant delete</code> on the command line."}),
        ("Settings", {"fields": ("name", "tier")}),
    )  # fmt: skip

    @display(description="Name", ordering="name")
    def title(self, obj: Tenant) -> str:
        """Display name."""
        return obj.name

    @display(description="Short name", ordering="schema_name")
    def slug(self, obj: Tenant) -> SafeString:
        """The slug, which is also the schema's name."""
        return code(obj.schema_name)

    @display(description="Status", ordering="status")
    def standing(self, obj: Tenant) -> SafeString:
        """Whether its members may work."""
        return state("healthy" if obj.status == TenantStatus.ACTIVE else "paused", obj.get_status_display())

    @display(description="Hosts")
    def hosts(self, obj: Tenant) -> SafeString:
        """Where its members find it."""
        return format_html_join(" ", "{}", ((code(host.domain),) for host in obj.domains.all()))

    @display(description="People", ordering="active_members")
    def people(self, obj: Tenant) -> SafeString:
        """How many active members it has."""
        url = f"{reverse('admin:tenants_membership_changelist')}?tenant__id__exact={obj.pk}"
        return format_html('<a class="q-link" href="{}">{}</a>', url, getattr(obj, "active_members", 0))

    @display(description="Created", ordering="created_at")
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
        messages.info(request, f"{obj.name} is being created. It appears in the list within seconds: reload the page.")
        return redirect("admin:tenants_tenant_changelist")

    def has_suspend_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Offer to suspend an active tenant."""
        return self._may_set(request, object_id, TenantStatus.ACTIVE)

    def has_activate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Offer to bring a suspended tenant back."""
        return self._may_set(request, object_id, TenantStatus.SUSPENDED)

    def _may_set(self, request: Any, object_id: Any, now: TenantStatus) -> bool:
        obj = self.get_object(request, str(object_id))
        return obj is not None and obj.status == now and request.user.has_perm("tenants.change_tenant")

    @action(description="Suspend", icon="pause", variant=ActionVariant.DANGER, permissions=["suspend"])
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shut the organisation's doors."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Suspend {obj.name}?",
            consequences=(
                "Its pages, its API keys and its tokens are refused, within one second, on every server.",
                "Nothing is deleted. Activating it again restores everything.",
            ),
            button="Suspend",
            done=f"{obj.name} is suspended.",
            act=lambda reason: self._set(request, obj, TenantStatus.SUSPENDED, reason),
        )
        return self.ask(request, obj, step)

    @action(description="Activate", icon="play_arrow", variant=ActionVariant.PRIMARY, permissions=["activate"])
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the organisation's doors again."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Activate {obj.name}?",
            consequences=("Its members and its keys may work again, within one second.",),
            button="Activate",
            done=f"{obj.name} is active.",
            act=lambda reason: self._set(request, obj, TenantStatus.ACTIVE, reason),
            danger=False,
        )
        return self.ask(request, obj, step)

    def _set(self, request: Any, obj: Tenant, status: TenantStatus, reason: str) -> None:
        services.set_status(actor=request.identity, tenant=obj, status=status, reason=reason)


class _Switchable(ServiceAdmin):
    """Something that is deactivated rather than deleted."""

    actions_detail = ("deactivate", "reactivate")
    change_permission = ""
    consequences: tuple[str, ...] = ()

    def switch(self, request: Any, obj: Any, *, is_active: bool) -> None:
        """Call the service."""
        raise NotImplementedError

    def has_deactivate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Offer to deactivate what is active."""
        return self._may_switch(request, object_id, when=True)

    def has_reactivate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Offer to reactivate what is not."""
        return self._may_switch(request, object_id, when=False)

    def _may_switch(self, request: Any, object_id: Any, *, when: bool) -> bool:
        obj = self.get_object(request, str(object_id))
        return obj is not None and obj.is_active is when and request.user.has_perm(self.change_permission)

    @action(description="Deactivate", icon="person_off", variant=ActionVariant.DANGER, permissions=["deactivate"])
    def deactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shut the person out."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Deactivate {obj}?",
            consequences=self.consequences,
            button="Deactivate",
            done=f"{obj} is deactivated.",
            act=lambda reason: self.switch(request, obj, is_active=False),
        )
        return self.ask(request, obj, step)

    @action(description="Reactivate", icon="person", variant=ActionVariant.PRIMARY, permissions=["reactivate"])
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the person in again."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Reactivate {obj}?",
            consequences=("They may sign in again, and their keys that have not expired work again.",),
            button="Reactivate",
            done=f"{obj} is active.",
            act=lambda reason: self.switch(request, obj, is_active=True),
            danger=False,
        )
        return self.ask(request, obj, step)

    @display(description="State", ordering="is_active")
    def standing(self, obj: Any) -> SafeString:
        """Whether the person may enter."""
        return state("healthy", "Active") if obj.is_active else state("paused", "Deactivated")

"""People and members in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from qualisys.cells import column, moment, state
from qualisys.console import ServiceAdmin, Step, act
from tenants import members, services
from tenants.console_forms import MemberForm, NewMemberForm, NewPersonForm
from tenants.models import Membership, User
from tenants.signin import factors


def shown_once(model_admin: ServiceAdmin, request: HttpRequest, obj: Any, **context: Any) -> HttpResponse:
    """Answer with a secret, this once: it is in no session, no log and no cache."""
    full = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "original": obj,
        **context,
    }
    response = TemplateResponse(request, "admin/tenants/shown_once.html", full)
    response["Cache-Control"] = "no-store"
    return response


class _Switchable(ServiceAdmin):
    """Something that is deactivated rather than deleted."""

    actions_detail: tuple[str, ...] = ("deactivate", "reactivate")
    offers = {"deactivate": lambda row: row.is_active, "reactivate": lambda row: not row.is_active}
    change_permission = ""
    consequences: tuple[str, ...] = ()

    def switch(self, request: Any, obj: Any, *, is_active: bool) -> None:
        """Call the service."""
        raise NotImplementedError

    def has_switch_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those deactivate and reactivate who may change."""
        return request.user.has_perm(self.change_permission)

    @act("Deactivate", "person_off", "switch", hurts=True)
    def deactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shut the person out."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Deactivate {obj}?",
            consequences=self.consequences,
            button="Deactivate",
            done=f"{obj} is deactivated.",
            do=lambda reason: self.switch(request, obj, is_active=False),
        )
        return self.ask(request, obj, step)

    @act("Reactivate", "person", "switch")
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the person in again."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Reactivate {obj}?",
            consequences=("They may sign in again, and their keys that have not expired work again.",),
            button="Reactivate",
            done=f"{obj} is active.",
            do=lambda reason: self.switch(request, obj, is_active=True),
            danger=False,
        )
        return self.ask(request, obj, step)

    @column("State", ordering="is_active")
    def standing(self, obj: Any) -> SafeString:
        """Whether the person may enter."""
        return state("healthy", "Active") if obj.is_active else state("paused", "Deactivated")


@admin.register(User)
class UserAdmin(_Switchable):
    """People, once for the whole installation."""

    audit_type = "user"
    change_permission = "tenants.change_user"
    actions_detail = ("deactivate", "reactivate", "forget_factor")
    offers = {**_Switchable.offers, "forget_factor": lambda user: factors.is_on(user.pk)}
    consequences = (
        "They are signed out and refused everywhere within one second, in every tenant.",
        "Keys that act as them stop working. Nothing is deleted.",
    )
    list_display = ("who", "email", "platform", "tenants", "standing", "signed_in")
    list_filter = ("is_active", "platform_role")
    search_fields = ("email", "name")
    search_help_text = "Search by e-mail or name"
    readonly_fields = ("standing", "who", "email", "platform", "tenants", "signed_in", "created")
    add_fieldsets = (
        ("New person", {"fields": ("email", "name", "platform_role")}),
        ("Password", {"fields": ("password1", "password2")}),
    )
    fieldsets = ((None, {"fields": readonly_fields}),)

    @column("Name", ordering="name")
    def who(self, obj: User) -> str:
        """Name, or e-mail where there is none."""
        return str(obj)

    @column("Platform role", ordering="platform_role")
    def platform(self, obj: User) -> str:
        """Role on the platform."""
        return obj.get_platform_role_display() or "None"

    @column("Tenants")
    def tenants(self, obj: User) -> SafeString:
        """Where the person is a member, and as what."""
        found = [(m.tenant.name, m.get_role_display()) for m in obj.memberships.all() if m.is_active]
        return format_html_join(" ", '<span class="q-tag">{} · {}</span>', found) or SafeString("None")

    @column("Last sign-in", ordering="last_login")
    def signed_in(self, obj: User) -> SafeString:
        """When they last signed in."""
        return moment(obj.last_login)

    @column("Added")
    def created(self, obj: User) -> SafeString:
        """When they were added."""
        return moment(obj.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read memberships without a query per row."""
        found: QuerySet[User] = super().get_queryset(request).prefetch_related("memberships__tenant")
        return found

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ask for a new person; an existing one has nothing to type."""
        return super().get_form(
            request, obj, change, **(kwargs if obj else {"form": NewPersonForm, **kwargs})
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show a person, type a new one."""
        return self.readonly_fields if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Change nothing by typing: people are deactivated and reactivated."""
        return False

    def write(self, request: Any, form: Any, obj: Any) -> User:
        """Create the person."""
        values = form.cleaned_data
        request.new_password = values["password"] if values["generated"] else ""
        return services.create_user(
            actor=request.identity,
            email=values["email"],
            name=values["name"],
            password=values["password"],
            platform_role=values["platform_role"],
        )

    def response_add(self, request: Any, obj: User, post_url_continue: Any = None) -> HttpResponse:
        """Show a generated password, this once."""
        if not request.new_password:
            return super().response_add(request, obj, post_url_continue)
        return shown_once(
            self, request, obj, title="A password was generated", secret=request.new_password, label="Password",
            advice=f"Give it to {obj.email} over a safe channel and ask them to change it.",
        )  # fmt: skip

    @act("Turn two-factor off", "phonelink_erase", "switch", hurts=True)
    def forget_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Help somebody who lost phone and recovery codes."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Turn two-factor sign-in off for {obj}?",
            consequences=(
                "Their password alone lets them in, until they set up another app.",
                "Make sure it is really them who asks: whoever asks may have the password already.",
            ),
            button="Turn off",
            done=f"Two-factor sign-in is off for {obj}.",
            do=lambda reason: factors.forget(user_id=obj.pk),
        )
        return self.ask(request, obj, step)

    def switch(self, request: Any, obj: User, *, is_active: bool) -> None:
        """Call the service."""
        services.set_user_active(actor=request.identity, user=obj, is_active=is_active)


@admin.register(Membership)
class MembershipAdmin(_Switchable):
    """Who is what in which tenant."""

    audit_type = "member"
    first_step = "A member is a person with a role in a tenant. Add the person first, then the member."
    change_permission = "tenants.change_membership"
    consequences = (
        "They are signed out of this tenant and refused there within one second.",
        "Their other tenants are not touched. Nothing is deleted.",
    )
    list_display = ("person", "tenant", "role", "standing", "since")
    list_filter = ("tenant", "role", "is_active")
    list_select_related = ("tenant", "user")
    search_fields = ("user__email", "user__name", "tenant__name", "tenant__schema_name")
    search_help_text = "Search by person or tenant"
    readonly_fields = ("standing", "person", "tenant", "since")
    add_fieldsets = (("New member", {"fields": ("email", "tenant", "role")}),)
    fieldsets = ((None, {"fields": ("standing", "person", "tenant", "since", "role")}),)

    @column("Person", ordering="user__email")
    def person(self, obj: Membership) -> str:
        """E-mail."""
        return obj.user.email

    @column("Since", ordering="created_at")
    def since(self, obj: Membership) -> SafeString:
        """When they joined."""
        return moment(obj.created_at)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for a new member, or for another role."""
        return super().get_form(request, obj, change, form=MemberForm if obj else NewMemberForm, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Choose the tenant of a new member."""
        return self.readonly_fields if obj else ()

    def trail_of(self, obj: Membership) -> dict[str, str]:
        """Name the member as the tenant's audit trail does."""
        return {"chain": str(obj.tenant_id), "object_id": str(obj.user_id)}

    def write(self, request: Any, form: Any, obj: Any) -> Membership:
        """Add the member, or change their role."""
        values = form.cleaned_data
        if obj is not None:
            return members.change_member(actor=request.identity, member=obj, role=values["role"])
        return members.add_member(
            actor=request.identity, tenant_id=values["tenant"].pk, user=values["email"], role=values["role"]
        )

    def switch(self, request: Any, obj: Membership, *, is_active: bool) -> None:
        """Call the service."""
        members.change_member(actor=request.identity, member=obj, is_active=is_active)

"""Limits in the console: of every tenant, of an agent, of a tenant, of a tenant's use of an agent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from pydantic import ValidationError as Invalid
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from agents.definitions import as_problem
from agents.limits import selectors, services
from agents.limits.models import Limits
from agents.limits.numbers import (
    CONDUCT,
    CONDUCT_DEFAULTS,
    DAILY_RUNS,
    SPENDING,
    TENANT_DEFAULTS,
    TITLES,
    Numbers,
    in_words,
)
from agents.limits.services import Scope
from agents.models import AgentDefinition
from qualisys.cells import code, column, moment
from qualisys.console import ServiceAdmin, ServiceModelForm
from qualisys.problems import Problem
from tenants.models import Tenant

_BUILT_IN = {name: in_words(name, value) for name, value in {**TENANT_DEFAULTS, **CONDUCT_DEFAULTS}.items()}
_MEANT = {
    "daily_tokens": "Counted from midnight UTC, in and out together.",
    "monthly_tokens": "Counted from the first of the month, UTC.",
    "daily_cost": "By the price table. A model without a price counts as the dearest.",
    "first_token_seconds": "A model that is silent longer has failed.",
    "gap_seconds": "A model that pauses longer has failed.",
    "breaker_share": "Failures open a circuit if they are at least this share of its runs. 0 counts them bare.",
    "guard_percentage": "For the others the guard decides and records, and refuses nothing. 100 in a new installation.",
}


class LimitsForm(ServiceModelForm):
    """Numbers of one scope; an empty one is left to the wider scope."""

    agent = forms.ModelChoiceField(
        AgentDefinition.objects.order_by("name"), required=False, empty_label="All agents together",
        widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip
    tenant = forms.ModelChoiceField(
        Tenant.objects.order_by("name"), required=False, empty_label="Every tenant", widget=UnfoldAdminSelectWidget(),
        help_text="With an agent and a tenant, the numbers are of that tenant's use of that agent.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=500, required=False, label="Why", widget=UnfoldAdminTextInputWidget(),
        help_text="Kept in the audit trail.",
    )  # fmt: skip
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput())

    class Meta:
        """Scope and numbers."""

        model = Limits
        fields = ["agent", *Numbers.model_fields]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = not self.instance._state.adding
        values = selectors.otherwise(scope_of(self.instance))[0] if known else None
        for name in Numbers.model_fields.keys() & self.fields.keys():
            self.fields[name].label = TITLES[name]
            self.fields[name].help_text = _help(name, values)
        if known and "seen" in self.fields:
            self.fields["seen"].initial = self.instance.revision

    def clean(self) -> dict[str, Any]:
        """Ask the numbers' own rules, and for at least one of them."""
        values = super().clean()
        if self.refusal is None and not self.errors:
            try:
                numbers = self.numbers()
            except Invalid as error:
                self.refuse(as_problem(error))
            else:
                if self.instance._state.adding and numbers == Numbers():
                    self.add_error(None, "Set at least one number.")
        return values

    def numbers(self) -> Numbers:
        """Return what was typed."""
        return Numbers(**{name: self.cleaned_data.get(name) for name in Numbers.model_fields})

    def scope(self) -> Scope:
        """Return what a new row is about."""
        agent, tenant = self.cleaned_data.get("agent"), self.cleaned_data.get("tenant")
        return Scope(agent.agent_id if agent else None, tenant.pk if tenant else None)


def scope_of(row: Limits) -> Scope:
    """Return what a row is about."""
    return Scope(row.agent_id, row.tenant_id, row.by_tenant)


def _help(name: str, values: Any) -> str:
    meant = _MEANT.get(name, "")
    if name == "guard_percentage":
        return meant
    if values is not None:
        now = f"now {in_words(name, values[name])}" if name in values else "now there is no limit"
        return f"{meant} Empty: the wider scope's number holds; {now}.".strip()
    if name == "daily_tokens":
        now = f"in a new installation an agent has {DAILY_RUNS} of its largest runs a day"
    else:
        now = f"in a new installation {_BUILT_IN.get(name, 'there is no limit')}"
    return f"{meant} Empty: the wider scope's number holds; {now}.".strip()


@admin.register(Limits)
class LimitsAdmin(ServiceAdmin):
    """What tenants and agents may use, and when a circuit opens. The nearest row that says something holds."""

    form = LimitsForm
    audit_type = "limits"
    first_step = (
        "Nothing is set: every tenant has 600 runs a minute and 50 at once, and each agent 100 of its largest runs a "
        "day. Set numbers for every tenant, for an agent, for a tenant, or for a tenant's use of an agent."
    )
    list_display = ("subject", "whose", "said", "by", "changed")
    list_filter = ("by_tenant", "agent")
    search_fields = ("agent__agent_id", "agent__name", "tenant_name")
    search_help_text = "Search by agent or tenant"
    readonly_fields = ("subject", "whose", "by", "changed")
    _spending = (
        "Spending",
        {"fields": SPENDING, "description": "Of an agent: in each tenant. Of all agents: each tenant as a whole."},
    )  # fmt: skip
    _conduct = ("Silence and circuits", {"fields": CONDUCT})
    _rollout = ("Roll-out of the guard", {"fields": ("guard_percentage",)})
    _why = ("Why", {"fields": ("reason", "seen")})

    @column("Agent", ordering="agent__name")
    def subject(self, obj: Limits) -> SafeString | str:
        """Which agent it speaks of."""
        return code(obj.agent_id) if obj.agent_id else "All agents together"

    @column("Tenant", ordering="tenant_name")
    def whose(self, obj: Limits) -> str:
        """Whose use."""
        if obj.tenant_id is None:
            return "Every tenant"
        return getattr(obj, "tenant_name", None) or str(obj.tenant_id)

    @column("Numbers")
    def said(self, obj: Limits) -> SafeString:
        """What it sets."""
        named = ((name, getattr(obj, name)) for name in Numbers.model_fields)
        told = [(TITLES[name], in_words(name, value)) for name, value in named if value is not None]
        if not told:
            return format_html('<span class="q-quiet">nothing</span>')
        return format_html_join(" · ", "{}: {}", told)

    @column("Set by", ordering="by_tenant")
    def by(self, obj: Limits) -> str:
        """Whether the tenant set it for itself."""
        return "The tenant itself" if obj.by_tenant else "The platform"

    @column("Changed", ordering="updated_at")
    def changed(self, obj: Limits) -> SafeString:
        """When it last changed."""
        return moment(obj.updated_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Limits]:
        """Read tenants' names without a query per row."""
        name = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")[:1]
        found: QuerySet[Limits] = super().get_queryset(request)
        return found.annotate(tenant_name=Subquery(name)).order_by(
            F("tenant_name").asc(nulls_first=True), F("agent_id").asc(nulls_first=True), "by_tenant"
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Roll the guard out for the platform as a whole; leave what only a form has out of a page that shows."""
        if obj is None:
            return [
                ("Scope", {"fields": ("agent", "tenant")}),
                self._spending,
                self._conduct,
                self._rollout,
                self._why,
            ]
        boxes: list[Any] = [("Scope", {"fields": ("subject", "whose", "by", "changed")}), self._spending]
        if not obj.by_tenant:
            boxes.append(self._conduct)
        if scope_of(obj) == Scope():
            boxes.append(self._rollout)
        return [*boxes, self._why] if self.has_change_permission(request, obj) else boxes

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form; of a row that is there the scope is fixed."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            for name in ("agent", "tenant"):
                form.base_fields.pop(name, None)
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave a tenant's own numbers to the tenant."""
        return bool(super().has_change_permission(request, obj)) and not (obj is not None and obj.by_tenant)

    def trail_of(self, obj: Limits) -> dict[str, str]:
        """Name the limits as the audit trail does: by agent, in the tenant's chain or the platform's."""
        found = {**super().trail_of(obj), "object_id": str(obj.agent_id or "all agents")}
        return {**found, "chain": str(obj.tenant_id)} if obj.tenant_id else found

    def write(self, request: Any, form: Any, obj: Limits | None) -> Limits:
        """Set the numbers; a new row never replaces one that somebody else has added."""
        scope = scope_of(obj) if obj is not None else form.scope()
        if obj is None and services.find(scope) is not None:
            raise Problem("conflict", "There are limits of this agent and tenant already. Change those.")
        seen = form.cleaned_data.get("seen") or 0
        return services.set_limits(
            actor=request.identity, numbers=form.numbers(), agent_id=scope.agent_id, tenant_id=scope.tenant_id,
            reason=form.cleaned_data.get("reason", ""), match=f'"{seen}"',
        )  # fmt: skip

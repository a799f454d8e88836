"""Settings, Limits: what the organisation may use, and what it has set lower itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods
from pydantic import ValidationError as Invalid

from agents.definitions import as_problem
from agents.limits import selectors, services
from agents.limits.numbers import SPENDING, TITLES, Spending, in_words
from agents.models import AgentDefinition
from qualisys import tenancy
from qualisys.console import ServiceForm
from qualisys.icons import icon_of
from tenants.identity import identity_of
from tenants.overrides.services import enabled_agent
from tenants.pages.shell import LIMITS, settings_page, show

Limits = Mapping[str, Mapping[str, Any]]


class OwnLimitsForm(ServiceForm):
    """Numbers of one's own, each below what the platform gives. Empty means the platform's."""

    reason = forms.CharField(
        label="Why", max_length=1000, required=False, help_text="Kept in the audit trail.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )  # fmt: skip
    revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SPENDING:
            given = limits[name]["given"]
            self.fields[name] = _money(name, given) if name.endswith("_cost") else _count(name, given)
            self.fields[name].initial = _typed(name, limits[name]["own"])
        self.order_fields([*SPENDING, "reason", "revision"])

    def numbers(self) -> Spending:
        """Return the numbers of a valid form; raise the Problem that names what is wrong with them."""
        try:
            return Spending(**{name: self.cleaned_data[name] for name in SPENDING})
        except Invalid as error:
            raise as_problem(error) from error


def _typed(name: str, own: Any) -> Any:
    """Return a number as its field has it: an amount with its cents."""
    if own is None or not name.endswith("_cost"):
        return own
    return f"{own:.2f}" if own == round(own, 2) else f"{own:.4f}"


def _given(name: str, given: Any) -> str:
    return (
        f"Your platform gives {in_words(name, given)}."
        if given is not None
        else "Your platform sets no limit."
    )


def _count(name: str, given: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=TITLES[name], required=False, min_value=1, help_text=_given(name, given),
        widget=forms.NumberInput(attrs={"class": "input", "inputmode": "numeric"}),
        error_messages={"invalid": "Enter a whole number, or leave it empty.", "min_value": "Enter 1 or more."},
    )  # fmt: skip


def _money(name: str, given: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=TITLES[name], required=False, min_value=0, max_digits=12, decimal_places=4, help_text=_given(name, given),
        widget=forms.NumberInput(attrs={"class": "input", "inputmode": "decimal", "step": "any"}),
        error_messages={"invalid": "Enter an amount such as 12.50, or nothing.", "min_value": "Enter 0 or more."},
    )  # fmt: skip


@settings_page(LIMITS)
@require_http_methods(["GET", "POST"])
def limits(request: HttpRequest) -> HttpResponse:
    """Show what the organisation may use as a whole and of each agent, or set what is sent for the whole."""
    return _page(request, None)


@settings_page(LIMITS)
@require_http_methods(["GET", "POST"])
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show what the organisation may use of an agent, or set what is sent."""
    return _page(request, enabled_agent(agent_id))


def _page(request: HttpRequest, about: AgentDefinition | None) -> HttpResponse:
    agent_id = about.agent_id if about else None
    shown, _ = selectors.show_own_limits(tenancy.tenant().id, agent_id)
    form = OwnLimitsForm(
        request.POST if request.method == "POST" else None,
        limits=shown["limits"],
        initial={"revision": shown["revision"]},
    )
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            _save(request, agent_id, form)
            messages.success(request, "Saved. It holds within a second.")
            return redirect("settings-limits-agent", agent_id) if agent_id else redirect("settings-limits")
    status = form.http_status
    fields = [form[name] for name in SPENDING]
    if about is not None:
        return show(
            request, LIMITS, "limits_agent", status=status, form=form, fields=fields, agent=about,
            holds=_holds(shown["limits"]),
        )  # fmt: skip
    rows = [_row(each, found) for each, found in selectors.list_own_limits(tenancy.tenant().id)]
    untouched = shown["revision"] == 0 and not any(row["own"] for row in rows)
    return show(
        request, LIMITS, "limits", status=status, form=form, fields=fields, agents=rows, untouched=untouched,
        holds=_holds(shown["limits"]),
    )  # fmt: skip


def _save(request: HttpRequest, agent_id: str | None, form: OwnLimitsForm) -> None:
    tenant_id, seen = tenancy.tenant().id, form.cleaned_data["revision"]
    services.set_own_limits(
        actor=identity_of(request), tenant_id=tenant_id, numbers=form.numbers(), agent_id=agent_id,
        reason=form.cleaned_data["reason"], match=None if seen is None else f'"{seen}"',
    )  # fmt: skip


def _holds(found: Limits) -> list[dict[str, Any]]:
    """Return the numbers that hold, in words, for a table that says where each is from."""
    return [
        {"title": TITLES[name], "words": in_words(name, each["value"]), "is_own": each["source"] == "own"}
        for name, each in found.items()
        if each["value"] is not None
    ]


def _row(about: AgentDefinition, found: Limits) -> dict[str, Any]:
    return {
        "agent_id": about.agent_id,
        "name": about.name,
        "icon": icon_of(about.icon),
        "holds": _holds(found),
        "own": sum(each["own"] is not None for each in found.values()),
    }

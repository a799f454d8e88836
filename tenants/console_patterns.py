"""Prompt patterns in the console, and the box that shows what a text would trip."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from qualisys.cells import block, code, column, moment, state
from qualisys.console import ServiceAdmin, Step, act
from tenants.models import PatternFamily, PromptPattern
from tenants.prompts import patterns, rules, services
from tenants.prompts.forms import PatternForm, TryForm
from tenants.prompts.patterns import Pattern

#: What the pattern that is only tried is called.
UNSAVED = "not-saved"


@admin.register(PromptPattern)
class PromptPatternAdmin(ServiceAdmin):
    """What no tenant's custom prompt may say; asked whenever one is saved."""

    form = PatternForm
    audit_type = "prompt_pattern"
    first_step = "A pattern is an RE2 expression. A custom prompt in which it is found cannot be saved."
    list_display = ("title", "standing", "kind", "expression", "changed")
    list_filter = ("enabled", "family")
    search_fields = ("name", "note", "pattern")
    search_help_text = "Search by name, note or expression"
    readonly_fields = ("standing", "created", "changed")
    actions_list = ("try_text",)
    actions_detail = ("turn_off", "turn_on")
    offers = {"turn_off": lambda row: row.enabled, "turn_on": lambda row: not row.enabled}
    add_fieldsets = (("New pattern", {"fields": ("name", "family", "pattern", "note")}),)
    fieldsets = (
        ("State", {"fields": ("standing", "created", "changed")}),
        ("Pattern", {"fields": ("name", "family", "pattern", "note"),
                     "description": "A change holds at once, for prompts that are saved from then on. Prompts that "
                                    "were saved before are not asked again."}),
    )  # fmt: skip

    @column("Name", ordering="name")
    def title(self, obj: PromptPattern) -> SafeString:
        """What refusals call it."""
        return code(obj.name)

    @column("State", ordering="enabled")
    def standing(self, obj: PromptPattern) -> SafeString:
        """Whether it is asked."""
        return state("healthy", "On") if obj.enabled else state("paused", "Off")

    @column("Reads like", ordering="family")
    def kind(self, obj: PromptPattern) -> str:
        """Its family, in words."""
        return obj.get_family_display()

    @column("Note", ordering="note")
    def expression(self, obj: PromptPattern) -> str:
        """Why it is here."""
        return obj.note

    @column("Created")
    def created(self, obj: PromptPattern) -> SafeString:
        """When it was added."""
        return moment(obj.created_at)

    @column("Changed", ordering="updated_at")
    def changed(self, obj: PromptPattern) -> SafeString:
        """When it last changed."""
        return moment(obj.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep a pattern's name for good."""
        return (*self.readonly_fields, "name") if obj else self.readonly_fields

    def trail_of(self, obj: PromptPattern) -> dict[str, str]:
        """Name the pattern as the audit trail does."""
        return {**super().trail_of(obj), "object_id": obj.name}

    def write(self, request: Any, form: Any, obj: Any) -> PromptPattern:
        """Add or change the pattern."""
        values = form.cleaned_data
        fields = {name: values[name] for name in ("family", "pattern", "note")}
        if obj is None:
            return services.create_pattern(actor=request.identity, name=values["name"], **fields)
        return services.update_pattern(actor=request.identity, row=obj, **fields)

    def has_switch_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those who may change a pattern turn it off and on."""
        return request.user.has_perm("tenants.change_promptpattern")

    @act("Turn off", "power_settings_new", "switch", hurts=True)
    def turn_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the pattern no longer."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Turn off {obj.name}?",
            consequences=(
                "From now on every tenant can save prompts in which it is found.",
                "It can be turned on again; prompts that were saved meanwhile stay.",
            ),
            button="Turn off",
            done=f"{obj.name} is off.",
            do=lambda reason: self._switch(request, obj, enabled=False, reason=reason),
        )
        return self.ask(request, obj, step)

    @act("Turn on", "play_arrow", "switch")
    def turn_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the pattern again."""
        obj = self.found(request, object_id)
        step = Step(
            title=f"Turn on {obj.name}?",
            consequences=("From now on no tenant can save a prompt in which it is found.",),
            button="Turn on",
            done=f"{obj.name} is on.",
            do=lambda reason: self._switch(request, obj, enabled=True, reason=reason),
            danger=False,
        )
        return self.ask(request, obj, step)

    def _switch(self, request: Any, obj: PromptPattern, *, enabled: bool, reason: str) -> None:
        services.set_pattern_enabled(actor=request.identity, row=obj, enabled=enabled, reason=reason)

    def has_try_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let everybody try a text who may read patterns: nothing is stored."""
        return self.has_view_permission(request)

    @act("Try a text", "science", "try")
    def try_text(self, request: HttpRequest) -> HttpResponse:
        """Show which rules a text would break, where, and how it was read."""
        form = TryForm(request.POST or None)
        tried = trial(form.cleaned_data) if request.method == "POST" and form.is_valid() else {}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Try a text",
            "form": form,
            **tried,
        }
        return TemplateResponse(request, "admin/tenants/try_text.html", context)


def trial(typed: dict[str, str]) -> dict[str, Any]:
    """Return what the page shows of a tried text: findings, the text with marks, its readings."""
    text = typed["text"]
    known = patterns.enabled()
    if typed["pattern"]:
        known = [Pattern(UNSAVED, PatternFamily.OTHER, typed["pattern"]), *known]
    report = rules.examine(text, known)
    return {
        "report": report,
        "verdict": state("broken", "Refused") if report.findings else state("healthy", "Could be saved"),
        "parts": marked(text, [(found.start, found.end) for found in report.findings if found.pattern]),
        "readings": [(each.kind, block(each.text)) for each in rules.readings(text[: rules.MAX_LENGTH])],
    }


def marked(text: str, spans: list[tuple[int, int]]) -> list[tuple[str, bool]]:
    """Return a text in pieces, each with whether something was found in it."""
    edges = sorted({0, len(text), *(edge for span in spans for edge in span)})
    return [
        (text[start:end], any(first <= start and end <= last for first, last in spans))
        for start, end in pairwise(edges)
    ]

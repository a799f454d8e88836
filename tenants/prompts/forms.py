"""The console's forms about prompt patterns; what a pattern may be is decided by the service."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from qualisys.console import ServiceForm, ServiceModelForm
from tenants.models import PatternFamily, PromptPattern
from tenants.prompts import engine

_EXACT = {"rows": 5, "class": "q-mono", "spellcheck": "false", "autocapitalize": "off"}
_HELP = (
    "RE2 syntax: no look-ahead, no back-references. It is tried on readings of a prompt that have no case, no "
    "accents and no invisible characters; in words there is one space between them. Try it under “Try a text”."
)


class PatternForm(ServiceModelForm):
    """A pattern, as an administrator writes it."""

    name = forms.SlugField(
        max_length=60, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "competitor-names"}),
        help_text="Tenants read it beside the refusal. It can never be changed.",
    )  # fmt: skip
    family = forms.ChoiceField(
        choices=PatternFamily.choices, initial=PatternFamily.OTHER, label="Reads like",
        widget=UnfoldAdminSelectWidget(), help_text="How the refusal is put into words.",
    )  # fmt: skip
    pattern = forms.CharField(
        max_length=engine.MAX_LENGTH,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs=_EXACT),
        help_text=_HELP,
    )
    note = forms.CharField(
        max_length=300,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="For colleagues: why it is here.",
    )

    class Meta:
        """Everything but whether it is on, which has buttons of its own."""

        model = PromptPattern
        fields = ["name", "family", "pattern", "note"]

    def clean_pattern(self) -> str:
        """Undo the line ends of browsers, which no pattern means."""
        return str(self.cleaned_data["pattern"]).replace("\r", "").strip("\n")


class TryForm(ServiceForm):
    """A text to be tried, and a pattern that is not stored yet."""

    text = forms.CharField(
        strip=False, max_length=200_000, label="Text", widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="As a tenant would save it. Nothing is stored.",
    )  # fmt: skip
    pattern = forms.CharField(
        required=False, strip=False, max_length=engine.MAX_LENGTH, label="Another pattern",
        widget=UnfoldAdminTextareaWidget(attrs={**_EXACT, "rows": 2}),
        help_text="Optional: tried beside those that are on, before anybody adds it.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Refuse a pattern that could not be added either, and undo the line ends of browsers."""
        values = super().clean()
        values["text"] = values.get("text", "").replace("\r\n", "\n")
        if pattern := values.get("pattern"):
            try:
                engine.admit(pattern)
            except engine.BadPattern as error:
                self.add_error("pattern", str(error))
        return values

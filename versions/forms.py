"""The console's forms for registering an agent and for its versions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanWidget,
)

from agents import definitions
from agents.forms import AgentForm, JsonField, ProseField
from agents.models import AgentDefinition
from qualisys.console import ServiceModelForm
from qualisys.problems import Problem
from versions.models import AgentVersion, VersionStatus
from versions.services import MAX_CHANGELOG

_PROMPT_HELP = "What the model is told before every run, up to 50,000 characters."
_SCHEMA_HELP = "JSON Schema of the answer; {} for free text."
_BUMPS = (
    ("patch", "Patch: wording, the same answers"),
    ("minor", "Minor: better or additional answers"),
    ("major", "Major: answers of another shape"),
)


def _share(**kwargs: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label="Rollout",
        widget=UnfoldAdminIntegerFieldWidget(attrs={"min": 0, "max": 100}),
        validators=[
            MinValueValidator(0, "A rollout is 0 to 100 per cent."),
            MaxValueValidator(100, "A rollout is 0 to 100 per cent."),
        ],
        **kwargs,
    )


class RegisterForm(AgentForm):
    """A new agent with its first version."""

    system_prompt = ProseField(rows=14, mono=True, max_length=definitions.MAX_PROMPT, help_text=_PROMPT_HELP)
    output_schema = JsonField(rows=10, help_text=_SCHEMA_HELP)
    changelog = ProseField(
        rows=2, max_length=MAX_CHANGELOG, initial="First version.", help_text="What it is."
    )

    def prompt(self) -> dict[str, Any]:
        """Return prompt and schema as they were typed."""
        return {
            "system_prompt": self.cleaned_data["system_prompt"],
            "output_schema": self.cleaned_data.get("output_schema") or {},
        }

    def clean(self) -> dict[str, Any]:
        """Ask the rules of prompts too."""
        values = super().clean()
        if not self.errors:
            try:
                definitions.parse_prompt(self.prompt())
            except Problem as problem:
                self.refuse(problem)
        return values


class NewVersionForm(ServiceModelForm):
    """The next version of an agent."""

    agent = forms.ModelChoiceField(
        AgentDefinition.objects.order_by("name"), to_field_name="agent_id", empty_label="Choose an agent",
        widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip
    system_prompt = ProseField(rows=18, mono=True, max_length=definitions.MAX_PROMPT, help_text=_PROMPT_HELP)
    output_schema = JsonField(
        rows=10, help_text=f"{_SCHEMA_HELP} Left empty, the newest version's schema is kept."
    )
    changelog = ProseField(
        rows=3, max_length=MAX_CHANGELOG, help_text="What changed and why, for approvers and auditors."
    )
    bump = forms.ChoiceField(
        choices=_BUMPS, initial="minor", label="Kind of change", widget=UnfoldAdminRadioSelectWidget(),
        help_text="It decides the next number, such as 1.2.0 after 1.1.3 for a minor change.",
    )  # fmt: skip
    rollout_percentage = _share(
        initial=10,
        help_text="Per cent of the tenants that get it at once. 100 makes it the stable version.",
    )

    class Meta:
        """What a version is made from."""

        model = AgentVersion
        fields = ["agent", "system_prompt", "output_schema", "changelog", "rollout_percentage"]

    def clean(self) -> dict[str, Any]:
        """Ask the rules of prompts."""
        values = super().clean()
        if self.refusal is None and not self.errors:
            schema = values.get("output_schema") or {}
            try:
                definitions.parse_prompt({"system_prompt": values["system_prompt"], "output_schema": schema})
            except Problem as problem:
                self.refuse(problem)
        return values


class RolloutForm(ServiceModelForm):
    """All that moves in a version: its rollout and its status."""

    rollout_percentage = _share(
        help_text="Per cent of the tenants. 0 takes it back everywhere within a second."
    )
    status = forms.ChoiceField(
        choices=VersionStatus.choices, widget=UnfoldAdminSelectWidget(),
        help_text="Deprecated serves only tenants pinned to it. Retired serves nobody.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=500, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Needed for a change. It is kept in the audit trail.",
    )  # fmt: skip
    understood = forms.BooleanField(
        required=False, label="Yes, retire it", widget=UnfoldBooleanWidget(),
        help_text="Only for retiring: tenants pinned to it move to another version at once.",
    )  # fmt: skip

    class Meta:
        """Content is immutable."""

        model = AgentVersion
        fields = ["rollout_percentage", "status"]

    def clean(self) -> dict[str, Any]:
        """Ask for the reason of a change, and for a second thought before retiring."""
        values = super().clean()
        moved = {"rollout_percentage", "status"} & set(self.changed_data)
        if moved and not values.get("reason", "").strip():
            self.add_error("reason", "Say in a sentence why, for the audit trail.")
        if (
            "status" in moved
            and values.get("status") == VersionStatus.RETIRED
            and not values.get("understood")
        ):
            self.add_error("understood", "Tick this to retire the version.")
        return values

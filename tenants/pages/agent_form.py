"""The form of an override: fields as people fill them in, wishes as the service takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from django import forms
from pydantic import ValidationError as Invalid

from agents import providers
from agents.definitions import as_problem
from qualisys.console import ServiceForm
from tenants.overrides.merge import Effective
from tenants.overrides.wishes import Wishes

MODES = (
    ("append", "Append: after the agent's own prompt"),
    ("prepend", "Prepend: before the agent's own prompt"),
    ("replace", "Replace: instead of the agent's own prompt"),
)
CONSENTS = (
    ("same_provider", "Yes, one of the same provider"),
    ("any", "Yes, of any provider that the platform has chosen for it"),
    ("none", "No: better no answer than another model's"),
)
#: What is written as JSON, and how an empty one is read.
_DOCUMENTS: dict[str, Any] = {
    "custom_output_template": None,
    "approval_workflow_override": None,
    "metadata": {},
}


def _text(rows: int, placeholder: str = "") -> forms.Textarea:
    return forms.Textarea(
        attrs={"class": "input", "rows": rows, "spellcheck": "false", "placeholder": placeholder}
    )


def _line(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "input", "autocomplete": "off", **attrs})


def _select() -> forms.Select:
    return forms.Select(attrs={"class": "input"})


class OverrideForm(ServiceForm):
    """What a tenant wishes for one agent. Empty means the platform's own."""

    custom_prompt = forms.CharField(
        label="Your instructions", required=False, strip=False, help_text="50 to 10,000 characters.",
        widget=forms.Textarea(attrs={"class": "input", "rows": 10, "data-prompt": True}),
    )  # fmt: skip
    prompt_override_mode = forms.ChoiceField(
        label="Where they go", choices=MODES, required=False, widget=forms.RadioSelect
    )
    acknowledge_replace = forms.BooleanField(
        label="I know that the agent loses its own instructions, and that its answers are ours to check.",
        required=False,
    )
    llm_provider_override = forms.ChoiceField(label="Provider", required=False, widget=_select())
    llm_model_override = forms.CharField(label="Model", max_length=100, required=False, widget=_line())
    pinned_version = forms.ChoiceField(label="Version", required=False, widget=_select())
    max_tokens_override = forms.IntegerField(
        label="Tokens a run may use", required=False, min_value=1,
        widget=forms.NumberInput(attrs={"class": "input", "inputmode": "numeric"}),
    )  # fmt: skip
    fallbacks = forms.ChoiceField(
        label="May another model answer when the agent's own is away?", choices=CONSENTS, required=False,
        widget=_select(),
    )  # fmt: skip
    custom_tags = forms.CharField(
        label="More tags", required=False, max_length=1100, help_text="Separated by commas.", widget=_line()
    )
    custom_output_template = forms.CharField(
        label="Output template", required=False, widget=_text(6, '{"stories": [{"id": "REQ-LOGIN-1"}]}'),
        help_text="JSON: an example in the shape that you want. It must satisfy the agent's own schema.",
    )  # fmt: skip
    approval_workflow_override = forms.CharField(
        label="Approval gates", required=False,
        widget=_text(6, '{"gates": [{"name": "legal-review", "approvers": ["owner"], "sla_hours": 24}]}'),
        help_text="JSON: gates of your own, or tighter ones under a name that the agent has. Never fewer.",
    )  # fmt: skip
    metadata = forms.CharField(
        label="Metadata", required=False, widget=_text(3), help_text="JSON: kept for your own programs."
    )
    reason = forms.CharField(
        label="Why", max_length=1000, required=False, help_text="Kept in the history, for whoever comes next.",
        widget=_line(),
    )  # fmt: skip
    revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(
        self, *args: Any, settled: Effective, versions: Iterable[str], may_replace: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        agent = settled.agent
        self.may_replace = may_replace
        fields: dict[str, Any] = self.fields
        fields["llm_provider_override"].choices = [
            ("", f"As the agent: {agent.llm_provider}"),
            *((name, name) for name in providers.usable()),
        ]
        fields["llm_model_override"].widget.attrs |= {
            "placeholder": f"As the agent: {agent.llm_model}",
            "list": "offered-models",
        }
        fields["max_tokens_override"].widget.attrs["placeholder"] = (
            f"As the agent: {agent.max_tokens_per_invocation:,}"
        )
        fields["pinned_version"].choices = [
            ("", "The platform's choice: new versions arrive by themselves"),
            *((number, f"Stay on {number}") for number in versions),
        ]

    @staticmethod
    def initial_of(wishes: Wishes, revision: int) -> dict[str, Any]:
        """Return what the form shows of saved wishes."""
        stored = wishes.stored()
        shown = {
            name: orjson.dumps(stored[name], option=orjson.OPT_INDENT_2).decode() if stored[name] else ""
            for name in _DOCUMENTS
        }
        return {**stored, **shown, "custom_tags": ", ".join(wishes.custom_tags), "revision": revision}

    def clean(self) -> dict[str, Any]:
        """Read the documents; an unreadable one is told at its field."""
        values = super().clean()
        for name, empty in _DOCUMENTS.items():
            raw = (values.get(name) or "").strip()
            try:
                values[name] = orjson.loads(raw) if raw else empty
            except orjson.JSONDecodeError as error:
                self.add_error(name, f"This is not valid JSON: {error}"[:200])
        return values

    def wishes(self, *, enabled: bool) -> Wishes:
        """Return the wishes of a valid form; raise the Problem that names what is wrong with them."""
        values = {name: value for name, value in self.cleaned_data.items() if name in Wishes.model_fields}
        tags = [tag.strip() for tag in values.pop("custom_tags").split(",") if tag.strip()]
        mode = values.pop("prompt_override_mode") or "append"
        values["fallbacks"] = values["fallbacks"] or "same_provider"
        given = {name: value if value != "" else None for name, value in values.items()}
        try:
            return Wishes(**given, custom_tags=tags, prompt_override_mode=mode, enabled=enabled)  # type: ignore[arg-type]
        except Invalid as error:
            raise as_problem(error) from error

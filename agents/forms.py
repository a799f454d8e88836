"""The console's form for an agent's definition; the rules are `agents.definitions`, asked while it is cleaned."""

from __future__ import annotations

import json
from typing import Any, cast

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from agents import definitions, gates
from agents.models import AgentDefinition, AgentPhase
from agents.providers import registry as providers
from qualisys import roles
from qualisys.console import ServiceModelForm
from qualisys.problems import Problem

_EDITABLE = tuple(name for name in definitions.Definition.model_fields if name not in ("type", "enabled"))


class OfModelForm(ServiceModelForm):
    """What is said of one model of a provider."""

    provider = forms.ChoiceField(
        choices=[(name, name) for name in providers.known()], widget=UnfoldAdminSelectWidget()
    )
    model = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "gpt-4o-mini"}),
        help_text="Exactly as the provider calls it.",
    )


class JsonField(forms.JSONField):
    """JSON as people can read it, in a text area."""

    def __init__(self, *, rows: int = 8, **kwargs: Any) -> None:
        attrs = {"rows": rows, "spellcheck": "false", "class": "q-mono"}
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs=attrs), **kwargs)
        self.error_messages["invalid"] = "This is not JSON. Check quotes, commas and brackets."

    def prepare_value(self, value: Any) -> Any:
        """Return the value indented, and what cannot be read as it was typed."""
        if value is None:
            return ""
        typed = super().prepare_value(value)
        try:
            return json.dumps(json.loads(typed), indent=2, ensure_ascii=False)
        except (TypeError, ValueError):
            return typed


class ProseField(forms.CharField):
    """Text as it was meant: with one kind of line end, and its white space kept."""

    def __init__(self, *, rows: int = 6, mono: bool = False, **kwargs: Any) -> None:
        attrs: dict[str, Any] = {"rows": rows, **({"class": "q-mono", "spellcheck": "false"} if mono else {})}
        super().__init__(strip=False, widget=UnfoldAdminTextareaWidget(attrs=attrs), **kwargs)

    def to_python(self, value: Any) -> Any:
        """Undo the line ends of browsers, which would change a prompt's hash."""
        return str(super().to_python(value)).replace("\r\n", "\n")


class FallbacksField(forms.CharField):
    """Models, one on each line: provider, a space, the model."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {
            "rows": 3,
            "spellcheck": "false",
            "class": "q-mono",
            "placeholder": "anthropic claude-sonnet-4-5",
        }
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs=attrs), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return the models as lines."""
        if not isinstance(value, list):
            return value
        return "\n".join(f"{each['provider']} {each['model']}" for each in value)

    def to_python(self, value: Any) -> Any:
        """Return the models as a definition has them."""
        lines = [line.split(None, 1) for line in str(value or "").splitlines() if line.strip()]
        return [{"provider": words[0], "model": "".join(words[1:]).strip()} for words in lines]


class WordsField(forms.CharField):
    """A list of words, typed with commas between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return the words as one line."""
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the words as a list."""
        return [word for word in (part.strip() for part in str(value or "").split(",")) if word]


def _known_providers() -> list[tuple[str, str]]:
    here = providers.configured()
    found = []
    for name in providers.known():
        note = (
            "" if name in here else " (demo model answers)" if providers.is_demo(name) else " (no key here)"
        )
        found.append((name, name + note))
    return found


class AgentForm(ServiceModelForm):
    """The editable fields of an agent."""

    agent_id = forms.RegexField(
        definitions.AGENT_ID,
        max_length=100,
        label="Agent id",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "release-notes", "autocomplete": "off"}),
        error_messages={
            "invalid": "Use lower-case letters, digits and single hyphens, such as release-notes."
        },
        help_text="How integrators call it. It can never be changed.",
    )
    description = ProseField(
        rows=3, required=False, max_length=5_000, help_text="What members read on its card."
    )
    phase = forms.ChoiceField(
        choices=AgentPhase.choices, initial=AgentPhase.CUSTOM, widget=UnfoldAdminSelectWidget()
    )
    tags = WordsField(help_text="Separate them with commas.")
    icon = forms.CharField(
        max_length=100, initial="default-agent", widget=UnfoldAdminTextInputWidget(),
        help_text="A name of the icon set, such as bot, shield, gauge, database or file-text.",
    )  # fmt: skip
    llm_provider = forms.ChoiceField(
        choices=_known_providers, initial="openai", label="Model provider", widget=UnfoldAdminSelectWidget()
    )
    llm_model = forms.CharField(
        max_length=100, initial="gpt-4o", label="Model", widget=UnfoldAdminTextInputWidget(),
        help_text="Passed on unchanged.",
    )  # fmt: skip
    fallbacks = FallbacksField(
        label="When it is away",
        help_text="Up to five other models, one on each line: provider, a space, model. They answer in this order "
        "while the agent's own model is paused, stopped or busy, where the tenant allows it.",
    )
    max_tokens_per_invocation = forms.IntegerField(
        initial=10_000, label="Most tokens per run", widget=UnfoldAdminIntegerFieldWidget(),
        validators=[MinValueValidator(100), MaxValueValidator(200_000)], help_text="100 to 200,000.",
    )  # fmt: skip
    timeout_seconds = forms.IntegerField(
        initial=120, label="Time limit", widget=UnfoldAdminIntegerFieldWidget(),
        validators=[MinValueValidator(1), MaxValueValidator(3_600)],
        help_text="Seconds, 1 to 3,600. A run that takes longer is stopped.",
    )  # fmt: skip
    input_types = forms.MultipleChoiceField(
        required=False, choices=[(name, name) for name in definitions.FILE_TYPES], label="Files it reads",
        widget=UnfoldAdminCheckboxSelectMultipleWidget(), help_text="Any other file type is refused.",
    )  # fmt: skip
    required_roles = forms.MultipleChoiceField(
        choices=roles.CHOICES, label="Roles that may run it", widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        error_messages={"required": "Choose at least one role, or nobody could run the agent."},
    )  # fmt: skip
    access = JsonField(
        rows=6,
        help_text='Finer rights by role: {"dev": "run", "viewer": "read"} with full, run, approve or read. '
        "Once this is not empty, it decides, and a role that is absent does not see the agent.",
    )
    approval_gates = JsonField(
        rows=10,
        label="Approval gates",
        help_text=f"A list of objects with {', '.join(gates.Gate.model_fields)}. "
        'Example: [{"name": "review", "approvers": ["pm_csm"], "sla_hours": 24}]',
    )
    metadata = JsonField(
        rows=4, help_text="Anything integrators want to keep with the agent, as a JSON object."
    )
    read_at = forms.CharField(required=False, widget=forms.HiddenInput())

    class Meta:
        """Everything that is not the state of the agent."""

        model = AgentDefinition
        fields = [*_EDITABLE]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.instance._state.adding and "read_at" in self.fields:
            self.fields["read_at"].initial = self.instance.updated_at.isoformat()

    def data_of_agent(self) -> dict[str, Any]:
        """Return what was typed, as a definition's fields."""
        values = {name: self.cleaned_data.get(name) for name in _EDITABLE if name in self.cleaned_data}
        if not self.instance._state.adding:
            values |= {
                "agent_id": self.instance.agent_id,
                "type": self.instance.type,
                "enabled": self.instance.enabled,
            }
        empty: dict[str, Any] = {"access": {}, "approval_gates": [], "metadata": {}, "fallbacks": []}
        return {**values, **{name: default for name, default in empty.items() if values.get(name) is None}}

    def clean(self) -> dict[str, Any]:
        """Ask the definition's own rules, and refuse to overwrite what somebody else has changed meanwhile."""
        values = super().clean()
        if self.refusal is None and not self.errors:
            try:
                definitions.parse(self.data_of_agent())
            except Problem as problem:
                self.refuse(problem)
        if not self.instance._state.adding:
            self._notice_others(values.get("read_at") or "")
        return values

    def _notice_others(self, read_at: str) -> None:
        current = self.instance.updated_at.isoformat()
        if read_at and read_at != current:
            # What is typed stays; saving again is then a decision.
            typed = cast(QueryDict, self.data).copy()
            typed["read_at"] = current
            self.data = typed
            self.add_error(
                None,
                "Somebody changed this agent while you were editing. Compare in another tab, then save again.",
            )

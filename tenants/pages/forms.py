"""Forms of the settings pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from qualisys import roles
from qualisys.console import ServiceForm
from tenants import permissions
from tenants.forms import CodeForm, email_field, name_field, password_field
from tenants.signin import provider

_LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Never"))
_OVERLAPS = (("0", "At once"), ("1", "After an hour"), ("24", "After a day"), ("168", "After a week"))
#: What each scope is for, in the words of who creates a key.
SCOPES = {
    "agents:read": "See agents and their metrics",
    "agents:configure": "Change how agents are set up here",
    "runs:read": "See runs and their results",
    "runs:write": "Run agents, follow and stop runs",
}
assert set(SCOPES) == {scope for scope in permissions.SCOPES if not scope.startswith("platform:")}


def role_choices(*, owners: bool) -> list[tuple[str, str]]:
    """Return the roles somebody may give; owners are made by owners."""
    return [choice for choice in roles.CHOICES if owners or choice[0] != "owner"]


class ProfileForm(ServiceForm):
    """How one is called."""

    name = name_field()


class PasswordForm(ServiceForm):
    """A new password, confirmed by the present one."""

    current = password_field("Present password")
    new = password_field("New password", new=True)


class ProvenCodeForm(CodeForm):
    """A code, and the password of somebody who signed in a while ago."""

    password = password_field("Your password")
    field_order = ("password", "otp")

    def __init__(self, *args: Any, is_fresh: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asks_password = not is_fresh
        if is_fresh:
            del self.fields["password"]


class RoleForm(ServiceForm):
    """What a member may do."""

    role = forms.ChoiceField(widget=forms.Select(attrs={"class": "input"}))

    def __init__(self, *args: object, owners: bool, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = role_choices(owners=owners)


class InviteForm(RoleForm):
    """Who is invited, and as what."""

    email = email_field(autocomplete="off", placeholder="name@example.com")
    field_order = ("email", "role")


class KeyForm(ServiceForm):
    """What a key is for, what it may do and until when."""

    name = forms.CharField(
        max_length=100,
        help_text="What it is for, such as Build server.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off", "autofocus": True}),
        error_messages={"required": "Name the key, so that somebody dares to revoke it later."},
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        required=False,
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all that you may do.",
    )
    lifetime = forms.ChoiceField(
        label="It ends after", required=False, choices=_LIFETIMES, initial="90", widget=forms.RadioSelect
    )

    def expires_at(self) -> datetime | None:
        """Return when the key shall end."""
        days = self.cleaned_data["lifetime"]
        return timezone.now() + timedelta(days=int(days)) if days else None


class RotateForm(ServiceForm):
    """How long the old key still works."""

    overlap = forms.TypedChoiceField(
        label="The old key ends", coerce=int, choices=_OVERLAPS, initial="24", widget=forms.RadioSelect
    )


class ProviderForm(ServiceForm):
    """The organisation's own provider."""

    issuer = forms.CharField(
        max_length=500,
        help_text="Its address as it names itself, such as https://login.example.com/realms/main.",
        widget=forms.URLInput(attrs={"class": "input", "placeholder": "https://"}),
        error_messages={"required": "Enter the provider's address."},
    )
    client_id = forms.CharField(
        label="Client id", max_length=300,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Enter the client id that the provider gave you."},
    )  # fmt: skip
    client_secret = forms.CharField(
        label="Client secret", max_length=1000, required=False, strip=True,
        help_text="Kept encrypted and never shown again. Empty keeps the one there is.",
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "off"}),
    )  # fmt: skip
    domains = forms.CharField(
        label="E-mail domains", max_length=2000,
        help_text="Only verified addresses of these come in. One on each line.",
        widget=forms.Textarea(attrs={"class": "input", "rows": 2, "placeholder": "example.com", "spellcheck": "false"}),
        error_messages={"required": "Name at least one domain, such as example.com."},
    )  # fmt: skip
    default_role = forms.ChoiceField(
        label="Newcomers become", required=False,
        choices=[("", "Nobody: only invited people come in"), *role_choices(owners=False)],
        widget=forms.Select(attrs={"class": "input"}),
    )  # fmt: skip
    is_required = forms.BooleanField(
        label="Demand it", required=False,
        help_text="Passwords and passkeys are refused then, in the API too. "
        "Who came in by them is signed out. Owners keep theirs for the day the provider fails.",
    )  # fmt: skip

    def wanted(self) -> provider.Wanted:
        """Return what was typed."""
        values = self.cleaned_data
        return provider.Wanted(
            issuer=values["issuer"].strip(),
            client_id=values["client_id"],
            client_secret=values["client_secret"],
            domains=provider.domains(values["domains"]),
            default_role=values["default_role"],
            is_required=values["is_required"],
        )

"""The console's forms about tenants, people, members and keys."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from qualisys import roles, tenancy
from qualisys.console import ServiceModelForm
from tenants import permissions
from tenants.models import ApiKey, Host, Membership, Tenant, Tier, User

_HOST = RegexValidator(
    r"^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$",
    "This is not a host name, such as acme.example.com.",
)
_LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "It never expires"))


class NewTenantForm(ServiceModelForm):
    """A new tenant. The maintenance queue creates it."""

    schema_name = forms.CharField(
        label="Short name", max_length=41, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "acme"}),
        help_text="3 to 41 lower-case letters, digits or _, beginning with a letter. It can never be changed.",
    )  # fmt: skip
    name = forms.CharField(max_length=200, label="Display name", widget=UnfoldAdminTextInputWidget())
    tier = forms.ChoiceField(choices=Tier.choices, widget=UnfoldAdminSelectWidget())
    hosts = forms.CharField(
        label="Host names", widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "placeholder": "acme.localhost"}),
        help_text="One on each line; the first is the main one. They must lead to this installation.",
    )  # fmt: skip

    class Meta:
        """What a tenant is made from."""

        model = Tenant
        fields = ["schema_name", "name", "tier"]

    def clean_schema_name(self) -> str:
        """Refuse early what the service would refuse later."""
        slug = str(self.cleaned_data["schema_name"]).strip()
        if not tenancy.is_slug(slug):
            raise ValidationError(
                "Use 3 to 41 lower-case letters, digits or _, beginning with a letter; some words are reserved."
            )
        if Tenant.objects.filter(schema_name=slug).exists():
            raise ValidationError("There already is a tenant with this short name.")
        return slug

    def clean_hosts(self) -> list[str]:
        """Return the host names, each once, none of them somebody else's."""
        hosts = list(dict.fromkeys(self.cleaned_data["hosts"].lower().split()))
        for host in hosts:
            _HOST(host)
        if taken := Host.objects.filter(domain__in=hosts).values_list("domain", flat=True):
            raise ValidationError(f"Taken already: {', '.join(taken)}.")
        return hosts


class TenantForm(ServiceModelForm):
    """What may change in a tenant."""

    name = forms.CharField(max_length=200, label="Display name", widget=UnfoldAdminTextInputWidget())
    tier = forms.ChoiceField(
        choices=Tier.choices, widget=UnfoldAdminSelectWidget(),
        help_text="Enterprise tenants may replace prompts where the installation allows it.",
    )  # fmt: skip

    class Meta:
        """Name and tier; short name and status have ways of their own."""

        model = Tenant
        fields = ["name", "tier"]


class NewPersonForm(ServiceModelForm):
    """A person, with a password typed twice or generated."""

    email = forms.EmailField(max_length=254, label="E-mail", widget=UnfoldAdminEmailInputWidget())
    name = forms.CharField(max_length=200, required=False, widget=UnfoldAdminTextInputWidget())
    platform_role = forms.ChoiceField(
        required=False, widget=UnfoldAdminSelectWidget(), choices=[("", "None"), *roles.PLATFORM_CHOICES],
        help_text="Only for people of the platform. Roles in a tenant are memberships.",
    )  # fmt: skip
    password1 = forms.CharField(
        required=False, label="Password", strip=False, max_length=1000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Left empty, one is generated and shown once.",
    )  # fmt: skip
    password2 = forms.CharField(
        required=False, label="Password again", strip=False, max_length=1000,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip

    class Meta:
        """Who the person is."""

        model = User
        fields = ["email", "name", "platform_role"]

    def clean(self) -> dict[str, Any]:
        """Compare the passwords, or make one."""
        values = super().clean()
        typed, again = values.get("password1") or "", values.get("password2") or ""
        if typed != again:
            self.add_error("password2", "The two passwords are not the same.")
        elif typed:
            try:
                validate_password(typed, User(email=values.get("email") or "", name=values.get("name") or ""))
            except ValidationError as error:
                self.add_error("password1", error)
        values["password"] = typed or secrets.token_urlsafe(15)
        values["generated"] = not typed
        return values


def _person(email: str) -> User:
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        raise ValidationError("There is no person with this e-mail address. Add them under People first.")
    return user


class NewMemberForm(ServiceModelForm):
    """A role for an existing person in a tenant."""

    email = forms.EmailField(max_length=254, label="E-mail", widget=UnfoldAdminEmailInputWidget())
    tenant = forms.ModelChoiceField(
        Tenant.objects.order_by("name"),
        empty_label="Choose a tenant",
        widget=UnfoldAdminSelectWidget(),
    )
    role = forms.ChoiceField(choices=roles.CHOICES, initial="viewer", widget=UnfoldAdminRadioSelectWidget())

    class Meta:
        """The person is found by e-mail."""

        model = Membership
        fields = ["tenant", "role"]

    def clean_email(self) -> User:
        """Return the person."""
        return _person(self.cleaned_data["email"])


class MemberForm(ServiceModelForm):
    """Another role for a member."""

    role = forms.ChoiceField(choices=roles.CHOICES, widget=UnfoldAdminRadioSelectWidget())

    class Meta:
        """Deactivating is a step of its own."""

        model = Membership
        fields = ["role"]


class NewKeyForm(ServiceModelForm):
    """A key that acts as a person."""

    name = forms.CharField(
        max_length=100, widget=UnfoldAdminTextInputWidget(), help_text="What it is for, such as Build server."
    )
    owner = forms.EmailField(
        label="Acts as", widget=UnfoldAdminEmailInputWidget(),
        help_text="E-mail of its owner. It may do what they may, and ends when they do.",
    )  # fmt: skip
    tenant = forms.ModelChoiceField(
        Tenant.objects.order_by("name"), required=False, empty_label="None: a key of the platform",
        label="Tenant", widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip
    scopes = forms.MultipleChoiceField(
        required=False, choices=[(scope, scope) for scope in permissions.SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(), help_text="None ticked: all that its owner may do.",
    )  # fmt: skip
    lifetime = forms.ChoiceField(
        required=False,
        choices=_LIFETIMES,
        initial="90",
        label="Expires after",
        widget=UnfoldAdminRadioSelectWidget(),
    )

    class Meta:
        """Hash and prefix are made by the service."""

        model = ApiKey
        fields = ["name", "tenant", "scopes"]

    def clean_owner(self) -> User:
        """Return the owner."""
        return _person(self.cleaned_data["owner"])

    def expires_at(self) -> datetime | None:
        """Return when the key shall expire."""
        days = self.cleaned_data.get("lifetime")
        return timezone.now() + timedelta(days=int(days)) if days else None

    def clean(self) -> dict[str, Any]:
        """Refuse a key that could never do anything."""
        values = super().clean()
        owner, tenant = values.get("owner"), values.get("tenant")
        if owner is not None and "tenant" in values:
            if tenant is None and not owner.platform_role:
                self.add_error("tenant", "The owner has no role on the platform: choose the tenant.")
            elif tenant is not None and not owner.memberships.filter(tenant=tenant, is_active=True).exists():
                self.add_error("owner", f"This person is no active member of {tenant.name}.")
        if tenant is not None and any(scope.startswith("platform:") for scope in values.get("scopes") or []):
            self.add_error("scopes", "The platform's scopes are for keys of the platform.")
        return values

"""Forms around signing in: who one is, the code, a new password, an invitation."""

from __future__ import annotations

from typing import Any

from django import forms

from qualisys.console import ServiceForm

_ADVICE = "At least 12 characters. A few words that do not belong together are good."


def _input(kind: type[forms.Widget], **attrs: Any) -> forms.Widget:
    return kind(attrs={"class": "input", **attrs})


def email_field(**attrs: Any) -> forms.EmailField:
    """Return a field for an e-mail address."""
    return forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=_input(forms.EmailInput, **attrs),
        error_messages={
            "required": "Enter an e-mail address.",
            "invalid": "Enter an e-mail address, like name@example.com.",
        },
    )


def password_field(label: str = "Password", *, new: bool = False, **attrs: Any) -> forms.CharField:
    """Return a field for a present password, or for a new one."""
    return forms.CharField(
        label=label,
        max_length=1000,
        strip=False,
        help_text=_ADVICE if new else "",
        widget=_input(
            forms.PasswordInput, autocomplete="new-password" if new else "current-password", **attrs
        ),
        error_messages={"required": "Enter a password." if new else "Enter your password."},
    )


def name_field(**attrs: Any) -> forms.CharField:
    """Return a field for how a person is called."""
    return forms.CharField(
        label="Your name",
        max_length=200,
        widget=_input(forms.TextInput, autocomplete="name", **attrs),
        error_messages={"required": "Enter your name.", "max_length": "Use up to 200 characters."},
    )


class SignInForm(ServiceForm):
    """E-mail and password."""

    email = email_field(autocomplete="username", autofocus=True)
    password = password_field()


class CodeForm(ServiceForm):
    """A code of the authenticator app, or a recovery code."""

    otp = forms.CharField(
        label="Code",
        max_length=20,
        widget=_input(
            forms.TextInput,
            autocomplete="one-time-code",
            autofocus=True,
            autocapitalize="none",
            spellcheck="false",
        ),
        error_messages={"required": "Enter the code that your authenticator app shows."},
    )


class ForgotForm(ServiceForm):
    """Whose password is lost."""

    email = email_field(autocomplete="username", autofocus=True)


class NewPasswordForm(ServiceForm):
    """A new password, for who followed a link."""

    password = password_field("New password", new=True, autofocus=True)


class WelcomeForm(ServiceForm):
    """Name and password of somebody who is new."""

    name = name_field(autofocus=True)
    password = password_field("Choose a password", new=True)


class KnownWelcomeForm(ServiceForm):
    """The password of somebody who has an account already."""

    password = password_field("Your present password", autofocus=True)

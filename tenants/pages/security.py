"""Settings, Security: the password and the second factor."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods, require_safe

from qualisys.console import ServiceForm
from tenants.forms import CodeForm
from tenants.identity import identity_of
from tenants.models import User
from tenants.pages.forms import PasswordForm, ProvenCodeForm
from tenants.pages.shell import SECURITY, settings_page, show
from tenants.signin import entry, factors, fresh, passkeys, passwords


@settings_page(SECURITY)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show what protects the account."""
    user_id = identity_of(request).user_id
    is_on = factors.is_on(user_id)
    return show(
        request, SECURITY, "security", is_on=is_on, codes_left=factors.codes_left(user_id) if is_on else 0,
        passkeys=passkeys.list_own(user_id), is_fresh=fresh.is_fresh(request),
    )  # fmt: skip


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's password."""
    entry.check_own(request)
    identity = identity_of(request)
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        with form.refusing():
            passwords.change_password(identity=identity, current=values["current"], new=values["new"])
            # This session goes on, under a new key; all others have ended.
            update_session_auth_hash(request, User.objects.get(pk=identity.user_id))
            messages.success(request, "Your password is changed. You are signed out everywhere else.")
            return redirect("settings-security")
    return show(request, SECURITY, "password", form=form, status=form.http_status)


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def authenticator(request: HttpRequest) -> HttpResponse:
    """Set an authenticator app up: scan, confirm, keep the recovery codes."""
    entry.check_own(request)
    identity = identity_of(request)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            codes = factors.confirm(user_id=identity.user_id, code=form.cleaned_data["otp"])
            return show(request, SECURITY, "recovery_codes", codes=codes, first=True)
    secret = factors.begin(user_id=identity.user_id)
    return show(
        request, SECURITY, "authenticator", form=form, status=form.http_status,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        # Drawn here from the secret; nothing in it was typed by anybody.
        picture=mark_safe(factors.qr_code(secret, identity.person.email)),  # noqa: S308
    )  # fmt: skip


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def authenticator_off(request: HttpRequest) -> HttpResponse:
    """Turn the second factor off, with a code; with the password, too, where the person came in a while ago."""
    entry.check_own(request)
    identity = identity_of(request)
    form = ProvenCodeForm(request.POST or None, is_fresh=fresh.is_fresh(request))
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            if form.asks_password:
                fresh.prove(request, password=form.cleaned_data["password"])
            factors.turn_off(user_id=identity.user_id, code=form.cleaned_data["otp"])
            messages.success(request, "Two-factor sign-in is off.")
            return redirect("settings-security")
    return _by_code(
        request, form, title="Turn two-factor sign-in off?", danger=True, button="Turn off",
        consequences=(
            "Your password alone lets in whoever has it.",
            "Your authenticator entry and your recovery codes stop working.",
        ),
    )  # fmt: skip


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Replace the recovery codes, with a code."""
    entry.check_own(request)
    identity = identity_of(request)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            codes = factors.renew_codes(user_id=identity.user_id, code=form.cleaned_data["otp"])
            return show(request, SECURITY, "recovery_codes", codes=codes, first=False)
    return _by_code(
        request, form, title="New recovery codes?", danger=False, button="Make new codes",
        consequences=("Those you have now stop working.",),
    )  # fmt: skip


def _by_code(request: HttpRequest, form: ServiceForm, **step: object) -> HttpResponse:
    return show(
        request, SECURITY, "confirm", status=form.http_status, form=form, back="settings-security", **step,
        note="Confirm it with a code of your authenticator app, or a recovery code.",
    )  # fmt: skip

"""Settings, Security: the password and the second factor."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods, require_safe

from qualisys.console import ServiceForm
from qualisys.problems import Problem
from tenants.forms import CodeForm
from tenants.identity import identity_of
from tenants.models import User
from tenants.pages.forms import PasswordForm
from tenants.pages.shell import SECURITY, refused_status, settings_page, show
from tenants.signin import entry, factors, passkeys, passwords


@settings_page(SECURITY)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show what protects the account."""
    user_id = identity_of(request).user_id
    is_on = factors.is_on(user_id)
    return show(
        request, SECURITY, "security", is_on=is_on, codes_left=factors.codes_left(user_id) if is_on else 0,
        passkeys=passkeys.list_own(user_id),
    )  # fmt: skip


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's password."""
    entry.check_own(request)
    identity = identity_of(request)
    form = PasswordForm(request.POST or None)
    refusal = None
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            passwords.change_password(identity=identity, current=values["current"], new=values["new"])
        except Problem as problem:
            refusal = problem
            form.refuse(problem)
        else:
            # This session goes on, under a new key; all others have ended.
            update_session_auth_hash(request, User.objects.get(pk=identity.user_id))
            messages.success(request, "Your password is changed. You are signed out everywhere else.")
            return redirect("settings-security")
    return show(request, SECURITY, "password", form=form, status=refused_status(form, refusal))


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def authenticator(request: HttpRequest) -> HttpResponse:
    """Set an authenticator app up: scan, confirm, keep the recovery codes."""
    entry.check_own(request)
    identity = identity_of(request)
    form = CodeForm(request.POST or None)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            codes = factors.confirm(user_id=identity.user_id, code=form.cleaned_data["otp"])
        except Problem as problem:
            refusal = problem
            form.refuse(problem)
        else:
            return show(request, SECURITY, "recovery_codes", codes=codes, first=True)
    secret = factors.begin(user_id=identity.user_id)
    return show(
        request, SECURITY, "authenticator", form=form, status=refused_status(form, refusal),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        # Drawn here from the secret; nothing in it was typed by anybody.
        picture=mark_safe(factors.qr_code(secret, identity.person.email)),  # noqa: S308
    )  # fmt: skip


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def authenticator_off(request: HttpRequest) -> HttpResponse:
    """Turn the second factor off, with a code."""
    entry.check_own(request)
    identity = identity_of(request)
    form = CodeForm(request.POST or None)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            factors.turn_off(user_id=identity.user_id, code=form.cleaned_data["otp"])
        except Problem as problem:
            refusal = problem
            form.refuse(problem)
        else:
            messages.success(request, "Two-factor sign-in is off.")
            return redirect("settings-security")
    return _by_code(
        request, form, refused_status(form, refusal), title="Turn two-factor sign-in off?", danger=True,
        button="Turn off", consequences=(
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
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            codes = factors.renew_codes(user_id=identity.user_id, code=form.cleaned_data["otp"])
        except Problem as problem:
            refusal = problem
            form.refuse(problem)
        else:
            return show(request, SECURITY, "recovery_codes", codes=codes, first=False)
    return _by_code(
        request, form, refused_status(form, refusal), title="New recovery codes?", danger=False,
        button="Make new codes", consequences=("Those you have now stop working.",),
    )  # fmt: skip


def _by_code(request: HttpRequest, form: ServiceForm, status: int, **step: object) -> HttpResponse:
    return show(
        request, SECURITY, "confirm", status=status, form=form, back="settings-security", **step,
        note="Confirm it with a code of your authenticator app, or a recovery code.",
    )  # fmt: skip

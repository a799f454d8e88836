"""Passkeys on pages: what the browser's script asks, and the list under Settings, Security."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from qualisys.problems import Problem, invalid
from qualisys.responses import problem_response
from qualisys.text import read_json
from tenants.identity import identity_of
from tenants.pages.shell import SECURITY, settings_page, show
from tenants.signin import entry, factors, fresh, passkeys, provider
from tenants.views import safe_target

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def _for_script(view: View[P]) -> View[P]:
    """Answer a script: a refusal is a problem document, not a page."""

    @wraps(view)
    def answering(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Problem as problem:
            return problem_response(problem, getattr(request, "request_id", ""))

    return never_cache(answering)


@require_POST
@_for_script
def entry_options(request: HttpRequest) -> HttpResponse:
    """Return what the browser needs to use a passkey of this host."""
    place = passkeys.place(request)
    return JsonResponse(passkeys.entry_options(place=place, address=entry.visit(request).address))


@require_POST
@_for_script
def enter(request: HttpRequest) -> HttpResponse:
    """Sign in with what the browser answered."""
    said = _said(request)
    user = passkeys.enter(
        place=passkeys.place(request), credential=said["credential"], address=entry.visit(request).address
    )
    provider.check_password_admitted(user)
    entry.open_session(request, user, "passkey")
    return JsonResponse({"next": safe_target(request, str(said.get("next", "")))})


@settings_page(SECURITY)
@require_POST
@_for_script
def options(request: HttpRequest) -> HttpResponse:
    """Return what the browser needs to make a passkey; who came in a while ago shows first that it is them."""
    entry.check_own(request)
    identity = identity_of(request)
    if not fresh.is_fresh(request):
        _prove(request)
    return JsonResponse(passkeys.registration_options(identity=identity, place=passkeys.place(request)))


@settings_page(SECURITY)
@require_POST
@_for_script
def register(request: HttpRequest) -> HttpResponse:
    """Keep the passkey that the browser made."""
    entry.check_own(request)
    fresh.check_fresh(request)
    said = _said(request)
    row = passkeys.register(
        identity=identity_of(request), place=passkeys.place(request), name=str(said.get("name", "")),
        credential=said["credential"],
    )  # fmt: skip
    messages.success(request, f"The passkey {row.name} lets you in from now on.")
    return JsonResponse({"id": str(row.pk)}, status=201)


@settings_page(SECURITY)
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, passkey_id: UUID) -> HttpResponse:
    """Say what removing a passkey means, or do it."""
    user_id = identity_of(request).user_id
    row = next((each for each in passkeys.list_own(user_id) if each.pk == passkey_id), None)
    if row is None:
        raise Problem("not_found", "There is no such passkey of yours.")
    if request.method == "POST":
        entry.check_own(request)
        passkeys.remove(user_id=user_id, passkey_id=passkey_id)
        messages.success(request, f"The passkey {row.name} is removed.")
        return redirect("settings-security")
    return show(
        request, SECURITY, "confirm", danger=True, title=f"Remove the passkey {row.name}?", button="Remove",
        back="settings-security", consequences=(
            "It does not let you in any more. Sessions that it began go on.",
            "Delete it on the device, too, so that it is not offered there.",
        ),
    )  # fmt: skip


def _prove(request: HttpRequest) -> None:
    """Take the password, and the code where there is a second factor: a passkey counts as both."""
    said = read_json(request.body)
    password, code = (said.get("password"), said.get("otp")) if isinstance(said, dict) else (None, None)
    if not isinstance(password, str) or not password:
        raise invalid("password", "required", "You signed in a while ago. Enter your password.")
    if not factors.is_on(identity_of(request).user_id):
        code = None
    elif not isinstance(code, str) or not code:
        raise invalid("otp", "required", "Enter the code that your authenticator app shows.")
    fresh.prove(request, password=password[:1000], code=code[:20] if code else None)


def _said(request: HttpRequest) -> dict[str, Any]:
    said = read_json(request.body)
    if not isinstance(said, dict) or not isinstance(said.get("credential"), dict):
        raise invalid("credential", "object", "Send what the browser answered.")
    if not isinstance(said["credential"].get("response"), dict):
        raise invalid("credential", "object", "Send what the browser answered.")
    return said

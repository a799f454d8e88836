"""The organisation's own provider on pages: signing in through it, and Settings, Sign-in."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from qualisys import tenancy
from qualisys.console import refuse_unstorable
from qualisys.problems import Problem
from tenants.identity import identity_of
from tenants.pages.forms import ProviderForm
from tenants.pages.shell import PROVIDER, settings_page, show
from tenants.signin import brake, entry, oidc, provider
from tenants.signin.models import IdentityProvider
from tenants.views import base_url, safe_target

#: Holds what one sign-in needs on its way back, signed, for ten minutes.
COOKIE, PATIENCE = "provider", 600


@never_cache
@require_safe
def leave(request: HttpRequest) -> HttpResponse:
    """Send the browser to the organisation's provider."""
    refuse_unstorable(request)
    brake.slow_down_host(host=entry.visit(request).address)
    row = _row()
    attempt = oidc.new_attempt()
    address = async_to_sync(oidc.leave)(provider.client_of(row), attempt, _callback(request))
    response = redirect(address)
    kept = [
        attempt.state,
        attempt.nonce,
        attempt.verifier,
        safe_target(request, request.GET.get("next") or "/"),
    ]
    response.set_cookie(
        COOKIE, signing.dumps(kept, salt=_salt()), max_age=PATIENCE, path=reverse("provider-back"),
        secure=request.is_secure(), httponly=True, samesite="Lax",
    )  # fmt: skip
    return response


@never_cache
@require_safe
def back(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer, and let in whom it vouches for."""
    refuse_unstorable(request)
    brake.slow_down_host(host=entry.visit(request).address)
    row = _row()
    try:
        state, nonce, verifier, target = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=_salt(), max_age=PATIENCE
        )
    except (signing.BadSignature, ValueError) as error:
        raise oidc.failed("it took too long, or began in another browser. Start again.") from error
    if "code" not in request.GET:
        raise oidc.failed(f"it said {request.GET.get('error', 'nothing')[:100]!r}.")
    attempt = oidc.Attempt(state, nonce, verifier)
    claims = async_to_sync(oidc.come_back)(
        provider.client_of(row),
        attempt,
        _callback(request),
        request.GET.get("state", ""),
        request.GET["code"],
    )
    entry.open_session(request, provider.arrive(claims), provider.METHOD)
    response = redirect(target)
    response.delete_cookie(COOKIE, path=reverse("provider-back"), samesite="Lax")
    return response


@settings_page(PROVIDER)
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """Show the organisation's provider, or keep another one."""
    row = provider.of_tenant(tenancy.tenant().id)
    form = ProviderForm(request.POST or None, initial=_initial(row))
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            provider.save(actor=identity_of(request), wanted=form.wanted())
            messages.success(
                request, "The provider is saved. Try it in another browser before you demand it."
            )
            return redirect("settings-sign-in")
    return show(
        request, PROVIDER, "provider", status=form.http_status, form=form, row=row,
        callback=_callback(request),
    )  # fmt: skip


@settings_page(PROVIDER)
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest) -> HttpResponse:
    """Say what removing the provider means, or do it."""
    if request.method == "POST":
        provider.remove(actor=identity_of(request))
        messages.success(request, "The provider is removed.")
        return redirect("settings-sign-in")
    return show(
        request, PROVIDER, "confirm", danger=True, title="Remove the provider?", button="Remove",
        back="settings-sign-in", consequences=(
            "Nobody signs in through it any more. Open sessions go on.",
            "Members sign in with their password or passkey. Who has none asks for a new password on the sign-in page.",
        ),
    )  # fmt: skip


def _row() -> IdentityProvider:
    row = provider.of_tenant(tenancy.tenant().id)
    if row is None:
        raise Problem(
            "not_found", "This organisation has no provider of its own. Sign in with your password."
        )
    return row


def _initial(row: IdentityProvider | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {
        "issuer": row.issuer, "client_id": row.client_id, "domains": "\n".join(row.domains),
        "default_role": row.default_role, "is_required": row.is_required,
    }  # fmt: skip


def _callback(request: HttpRequest) -> str:
    return base_url(request) + reverse("provider-back")


def _salt() -> str:
    # A cookie of one organisation's host is no cookie of another's, whatever the browser sends.
    return f"provider:{tenancy.tenant().id}"

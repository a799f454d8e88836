"""Signing in and out, on a tenant's host and on the platform's: password, code, lost password, invitation."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from qualisys import tenancy
from qualisys.console import ServiceForm, refuse_unstorable
from tenants import tasks
from tenants.forms import CodeForm, ForgotForm, KnownWelcomeForm, NewPasswordForm, SignInForm, WelcomeForm
from tenants.models import User
from tenants.signin import brake, entry, factors, invitations, passwords, provider

form_page = require_http_methods(["GET", "POST"])


@never_cache
@form_page
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the form, or sign the person in to this tenant or to the platform."""
    refuse_unstorable(request)
    target = _target(request)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        with form.refusing():
            user = entry.by_password(
                email=values["email"], password=values["password"], visit=entry.visit(request)
            )
            return _entered(request, user, "password", target)
    return _page(request, "sign_in", form, **_choices(target))


@never_cache
@form_page
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask who gave a right password for the code."""
    refuse_unstorable(request)
    target, user = _target(request), entry.who_owes_code(request)
    if user is None:
        return redirect(f"{reverse('sign-in')}?{urlencode({'next': target})}")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            factors.check(user_id=user.pk, code=form.cleaned_data["otp"])
            entry.open_session(request, user, "password+code")
            return redirect(target)
    return _page(request, "second_factor", form, next=target)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("sign-in")


@never_cache
@form_page
def forgot(request: HttpRequest) -> HttpResponse:
    """Take the address of somebody who lost their password; whether it is known here is not told."""
    refuse_unstorable(request)
    form = ForgotForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email, context = form.cleaned_data["email"], tenancy.require()
        tenant_id = str(context.id) if isinstance(context, tenancy.Tenant) else ""
        with form.refusing():
            brake.slow_down_mails(host=entry.visit(request).address, email=email)
            tasks.request_mail(tasks.send_reset, tenant_id, email, base_url(request))
            return _page(request, "forgot", form, sent_to=email)
    return _page(request, "forgot", form)


@never_cache
@form_page
def reset(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Let who followed the link of a mail choose a password."""
    refuse_unstorable(request)
    brake.slow_down_host(host=entry.visit(request).address)
    user = passwords.whose_link(uid, token)
    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            passwords.reset(uid=uid, token=token, password=form.cleaned_data["password"])
            return redirect(f"{reverse('sign-in')}?done=reset")
    return _page(request, "reset", form, person=user)


@never_cache
@form_page
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """Let who followed an invitation join: with a name and a password, or with those they have."""
    refuse_unstorable(request)
    brake.slow_down_host(host=entry.visit(request).address)
    invitation = invitations.of_token(token)
    known = invitations.known_person(invitation) is not None
    form: ServiceForm = (KnownWelcomeForm if known else WelcomeForm)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        with form.refusing():
            user = invitations.accept(
                token=token,
                name=values.get("name", ""),
                password=values["password"],
                visit=entry.visit(request),
            )
            if provider.is_demanded_of(user):
                return redirect(f"{reverse('sign-in')}?done=joined")
            return _entered(request, user, "password", "/")
    return _page(request, "welcome", form, invitation=invitation, known=known)


def platform_home(request: HttpRequest) -> HttpResponse:
    """Lead platform staff to the console."""
    return redirect("admin:index")


def base_url(request: HttpRequest) -> str:
    """Return this host's address as the person sees it, for links in mails."""
    return request.build_absolute_uri("/").rstrip("/")


def _entered(request: HttpRequest, user: User, method: str, target: str) -> HttpResponse:
    """Open the session, or ask for the code first."""
    if factors.is_on(user.pk):
        entry.owe_code(request, user)
        return redirect(f"{reverse('second-factor')}?{urlencode({'next': target})}")
    entry.open_session(request, user, method)
    return redirect(target)


def _page(request: HttpRequest, name: str, form: ServiceForm, **context: Any) -> HttpResponse:
    """Return a sign-in page, with the status and the headers of what refused its form."""
    response = render(request, f"tenants/{name}.html", {"form": form, **context}, status=form.http_status)
    for header, value in ((form.refusal.headers if form.refusal else None) or {}).items():
        response[header] = value
    # An address with a token in it is nobody else's business: SECURE_REFERRER_POLICY tells it to no other site. Telling
    # it to nobody at all would make a browser send these forms without their origin, and they would be refused.
    return response


def _choices(target: str) -> dict[str, Any]:
    """Return what the sign-in page offers beside the password."""
    context = tenancy.require()
    row = provider.of_tenant(context.id) if isinstance(context, tenancy.Tenant) else None
    return {"next": target, "provider": row}


def safe_target(request: HttpRequest, wanted: str) -> str:
    """Return where to go after signing in: an address of this host, the start page for any other."""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else "/"


def _target(request: HttpRequest) -> str:
    return safe_target(request, request.POST.get("next") or request.GET.get("next") or "/")

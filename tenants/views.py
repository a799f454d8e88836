"""Signing in and out of a tenant's pages."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from qualisys.problems import Problem
from tenants import signin
from tenants.forms import SignInForm


@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the form, or sign the person in to this tenant."""
    target = _target(request)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            async_to_sync(signin.slow_down)(
                host=request.META.get("REMOTE_ADDR", ""), email=form.cleaned_data["email"]
            )
        except Problem as problem:
            form.add_error(None, problem.detail)
            return render(
                request, "tenants/sign_in.html", {"form": form, "next": target}, status=problem.status
            )
        user = authenticate(
            request, username=form.cleaned_data["email"], password=form.cleaned_data["password"]
        )
        if user is not None:
            login(request, user)
            return redirect(target)
        form.add_error(None, "E-mail or password are not right for this organisation.")
    status = 401 if form.errors else 200
    return render(request, "tenants/sign_in.html", {"form": form, "next": target}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("sign-in")


def platform_home(request: HttpRequest) -> HttpResponse:
    """Lead platform staff to the console."""
    return redirect("admin:index")


def console_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the console's own sign-in."""
    return redirect(reverse("admin:login"))


def _target(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else "/"

"""Settings, Profile: how one is called."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from tenants import services
from tenants.identity import identity_of
from tenants.pages.forms import ProfileForm
from tenants.pages.shell import PROFILE, settings_page, show
from tenants.signin import entry


@settings_page(PROFILE)
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show who one is here, or change one's name."""
    identity = identity_of(request)
    form = ProfileForm(request.POST or None, initial={"name": identity.person.name})
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            entry.check_own(request)
            services.rename_person(actor=identity, name=form.cleaned_data["name"])
            messages.success(request, "Your name is changed.")
            return redirect("settings-profile")
    return show(request, PROFILE, "profile", form=form, status=form.http_status)

"""Settings, Sessions: where one is signed in, and ending that."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from tenants.identity import identity_of
from tenants.pages.shell import SESSIONS, settings_page, show
from tenants.signin import open_sessions


@settings_page(SESSIONS)
@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """List one's sessions here."""
    return show(request, SESSIONS, "sessions", sessions=open_sessions.list_own(identity_of(request)))


@settings_page(SESSIONS)
@require_POST
def end_one(request: HttpRequest, name: str) -> HttpResponse:
    """End one of them."""
    open_sessions.end_one(identity_of(request), name)
    messages.success(request, "That session has ended.")
    return redirect("settings-sessions")


@settings_page(SESSIONS)
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End all but this one."""
    count = open_sessions.end_others(identity_of(request))
    said = "There was no other session." if not count else f"{count} other session{'s' * (count > 1)} ended."
    messages.success(request, said)
    return redirect("settings-sessions")

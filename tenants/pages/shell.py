"""What settings pages share: the list of them, who may open which, and how one is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from qualisys.access import check
from qualisys.console import refuse_unstorable
from tenants.identity import identity_of

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, P], HttpResponse]


@dataclass(frozen=True, slots=True)
class Entry:
    """A settings page in the list: `name` of its URL, and the permission it takes (None: anybody signed in)."""

    name: str
    title: str
    icon: str
    group: str
    perm: str | None = None


PROFILE = Entry("settings-profile", "Profile", "user", "You")
SECURITY = Entry("settings-security", "Security", "shield", "You")
SESSIONS = Entry("settings-sessions", "Sessions", "monitor", "You")
AGENTS = Entry("settings-agents", "Agents", "bot", "Organisation", "tenants.change_tenantagentconfig")
LIMITS = Entry("settings-limits", "Limits", "scale", "Organisation", "agents.change_own_limits")
MEMBERS = Entry("settings-members", "Members", "users", "Organisation", "tenants.change_membership")
KEYS = Entry("settings-keys", "API keys", "key-round", "Organisation", "tenants.change_apikey")

#: Pages of governance: runs are counted and guarded there.
HEALTH = Entry("health", "Health", "activity", "Organisation", "agents.view_executionlog")
USAGE = Entry("usage", "Usage", "gauge", "Organisation", "agents.view_executionlog")
PROVIDER = Entry("settings-sign-in", "Sign-in", "lock", "Organisation", "tenants.change_identityprovider")

#: In the order of the list. A page of another subject adds its line here.
ENTRIES = (PROFILE, SECURITY, SESSIONS, AGENTS, LIMITS, HEALTH, USAGE, MEMBERS, KEYS, PROVIDER)


def settings_page(entry: Entry) -> Callable[[Page[P]], Page[P]]:
    """Declare which page of the settings a view belongs to; who may not open that one is refused."""

    def declared(view: Page[P]) -> Page[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if entry.perm is not None:
                check(identity_of(request), entry.perm)
            refuse_unstorable(request)
            return view(request, *args, **kwargs)

        return never_cache(login_required(guarded))

    return declared


def show(
    request: HttpRequest, entry: Entry, template: str, /, *, status: int = 200, **context: Any
) -> HttpResponse:
    """Return a settings page beside the list of those that the person may open."""
    full = {**beside(request, entry), **context}
    return render(request, f"tenants/settings/{template}.html", full, status=status)


def beside(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    """Return what `tenants/settings/shell.html` shows beside a page: the list, and which page of it this is."""
    identity = identity_of(request)
    admitted = [
        each
        for each in ENTRIES
        if (identity.tenant is not None or each.group == "You")
        and (each.perm is None or identity.has_perm(each.perm))
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in admitted:
        item = {
            "title": each.title,
            "icon": each.icon,
            "href": reverse(each.name),
            "is_current": each == entry,
        }
        groups.setdefault(each.group, []).append(item)
    return {"entry": entry, "groups": groups}

"""Settings, API keys: created and rotated by who they act as, revoked by any administrator."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from qualisys import tenancy
from qualisys.problems import Problem
from tenants import api_keys
from tenants.identity import identity_of
from tenants.models import ApiKey, User
from tenants.pages.forms import SCOPES, KeyForm, RotateForm
from tenants.pages.shell import KEYS, settings_page, show

#: Ended keys that are still listed.
ENDED = 20


@settings_page(KEYS)
@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """List the organisation's keys: those that work, and the latest that ended."""
    now = timezone.now()
    rows = list(ApiKey.objects.filter(tenant_id=tenancy.tenant().id).select_related("owner"))
    for row in rows:
        row.words = [SCOPES.get(scope, scope) for scope in row.scopes]  # type: ignore[attr-defined]
        row.is_own = row.owner_id == identity_of(request).user_id  # type: ignore[attr-defined]
    works = [row for row in rows if not _has_ended(row, now)]
    ended = [row for row in rows if _has_ended(row, now)][:ENDED]
    return show(request, KEYS, "keys", works=works, ended=ended)


@settings_page(KEYS)
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Create a key that acts as who asks, and show its text once."""
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        with form.refusing():
            row, text = api_keys.create_api_key(
                actor=identity_of(request),
                tenant_id=tenancy.tenant().id,
                owner=User.objects.get(pk=identity_of(request).user_id),
                name=values["name"],
                scopes=values["scopes"],
                expires_at=form.expires_at(),
            )
            return show(request, KEYS, "key_shown", key=row, text=text)
    return show(request, KEYS, "key_new", form=form, status=form.http_status)


@settings_page(KEYS)
@require_http_methods(["GET", "POST"])
def rotate(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Replace a key by a successor, while the old one goes on for a while."""
    row = _key(key_id)
    form = RotateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            fresh, text = api_keys.rotate_api_key(
                actor=identity_of(request), key=row, overlap_hours=form.cleaned_data["overlap"]
            )
            row.refresh_from_db()
            return show(request, KEYS, "key_shown", key=fresh, text=text, old=row)
    return show(
        request, KEYS, "confirm", status=form.http_status, form=form, danger=False,
        title=f"Rotate {row.name}?", button="Rotate", back="settings-keys",
        consequences=(
            "You get a new key of the same name, scopes and lifetime. It is shown once.",
            "Until the old key ends, both work: time to put the new one where the old one is.",
        ),
    )  # fmt: skip


@settings_page(KEYS)
@require_http_methods(["GET", "POST"])
def revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Say what revoking means, or do it."""
    row = _key(key_id)
    if request.method == "POST":
        api_keys.revoke_api_key(actor=identity_of(request), key=row)
        messages.success(request, f"{row.name} is revoked.")
        return redirect("settings-keys")
    return show(
        request, KEYS, "confirm", danger=True, title=f"Revoke {row.name}?", button="Revoke", back="settings-keys",
        consequences=(
            "Whatever uses it is refused within a second.",
            "It cannot be brought back. To replace it without a gap, rotate it instead.",
        ),
    )  # fmt: skip


def _key(key_id: UUID) -> ApiKey:
    row = ApiKey.objects.filter(tenant_id=tenancy.tenant().id, pk=key_id).first()
    if row is None:
        raise Problem("not_found", "There is no such key.")
    return row


def _has_ended(row: ApiKey, now: object) -> bool:
    return row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now)  # type: ignore[operator]

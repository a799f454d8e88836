"""Settings, Members: who works here, as what; inviting, changing a role, deactivating."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from qualisys import tenancy
from qualisys.problems import Problem
from tenants import tasks
from tenants.identity import identity_of
from tenants.members import change_member
from tenants.models import Membership
from tenants.pages.forms import InviteForm, RoleForm
from tenants.pages.shell import MEMBERS, settings_page, show
from tenants.signin import factors, invitations
from tenants.views import base_url

PAGE = 50


@settings_page(MEMBERS)
@require_safe
def members(request: HttpRequest) -> HttpResponse:
    """List the members, found by `?q=`, and the open invitations; offer the form for another one."""
    return _list(request, InviteForm(owners=_may_make_owners(request), initial={"role": "viewer"}))


@settings_page(MEMBERS)
@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """Invite an address."""
    form = InviteForm(request.POST, owners=_may_make_owners(request))
    if not form.is_valid():
        return _list(request, form)
    values = form.cleaned_data
    with form.refusing():
        row = invitations.invite(actor=identity_of(request), email=values["email"], role=values["role"])
        _send(request, row.pk)
        messages.success(request, f"An invitation is on its way to {row.email}.")
        return redirect("settings-members")
    return _list(request, form)


@settings_page(MEMBERS)
@require_POST
def send_again(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Send an invitation with a new link; the old one is refused."""
    row = invitations.renew(actor=identity_of(request), invitation_id=invitation_id)
    _send(request, row.pk)
    messages.success(request, f"A new invitation is on its way to {row.email}. The old link is refused.")
    return redirect("settings-members")


@settings_page(MEMBERS)
@require_POST
def take_back(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back."""
    row = invitations.revoke(actor=identity_of(request), invitation_id=invitation_id)
    messages.success(request, f"The invitation of {row.email} is taken back. Its link is refused.")
    return redirect("settings-members")


@settings_page(MEMBERS)
@require_http_methods(["GET", "POST"])
def member(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Show one member, or change their role."""
    row = _member(member_id)
    owners = _may_make_owners(request)
    form = RoleForm(request.POST or None, owners=owners, initial={"role": row.role})
    if request.method == "POST" and form.is_valid():
        with form.refusing():
            change_member(actor=identity_of(request), member=row, role=form.cleaned_data["role"])
            messages.success(request, f"{row.user} has another role now.")
            return redirect("settings-members")
    return show(
        request, MEMBERS, "member", status=form.http_status, form=form, member=row,
        is_self=row.user_id == identity_of(request).user_id, may_change=owners or row.role != "owner",
        has_factor=factors.is_on(row.user_id),
    )  # fmt: skip


@settings_page(MEMBERS)
@require_http_methods(["GET", "POST"])
def deactivate(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Say what deactivating means, or do it."""
    row = _member(member_id)
    refusal = None
    if request.method == "POST":
        try:
            change_member(actor=identity_of(request), member=row, is_active=False)
        except Problem as problem:
            refusal = problem
        else:
            return redirect(f"{reverse('settings-members')}?deactivated={row.pk}")
    return show(
        request, MEMBERS, "confirm", status=refusal.status if refusal else 200, refusal=refusal, danger=True,
        title=f"Deactivate {row.user}?", button="Deactivate", back="settings-members",
        consequences=(
            "They are signed out of this organisation and refused here within a second.",
            "Their API keys for this organisation stop working.",
            "Nothing is deleted: you can let them in again at any time.",
        ),
    )  # fmt: skip


@settings_page(MEMBERS)
@require_POST
def reactivate(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """Let a member in again."""
    row = change_member(actor=identity_of(request), member=_member(member_id), is_active=True)
    messages.success(request, f"{row.user} is active again.")
    return redirect("settings-members")


def _list(request: HttpRequest, form: InviteForm) -> HttpResponse:
    wanted = request.GET.get("q", "").strip()[:200]
    rows = Membership.objects.filter(tenant_id=tenancy.tenant().id).select_related("user")
    if wanted:
        rows = rows.filter(Q(user__email__icontains=wanted) | Q(user__name__icontains=wanted))
    page = Paginator(rows.order_by("-is_active", "user__email"), PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "form": form,
        "page": page,
        "q": wanted,
        "with_factor": factors.who_has(row.user_id for row in page.object_list),
        "invitations": invitations.waiting(),
        "deactivated": _named(request.GET.get("deactivated", "")),
    }
    return show(request, MEMBERS, "members", status=form.http_status, **context)


def _named(member_id: str) -> Membership | None:
    """Return the member whose deactivation can be undone with one press, or None."""
    try:
        row = _member(UUID(member_id))
    except (ValueError, Problem):
        return None
    return None if row.is_active else row


def _member(member_id: UUID) -> Membership:
    rows = Membership.objects.select_related("user").filter(tenant_id=tenancy.tenant().id, pk=member_id)
    row = rows.first()
    if row is None:
        raise Problem("not_found", "There is no such member.")
    return row


def _send(request: HttpRequest, invitation_id: UUID) -> None:
    tasks.request_mail(tasks.send_invitation, str(tenancy.tenant().id), str(invitation_id), base_url(request))


def _may_make_owners(request: HttpRequest) -> bool:
    return identity_of(request).has_perm("tenants.change_owner")

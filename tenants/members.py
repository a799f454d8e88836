"""Writes about members: who belongs to a tenant, as what, and that somebody stays who can manage it."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from qualisys import cache, roles
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from tenants.identity import Identity
from tenants.models import Membership, Session, TokenFamily, User


def add_member(*, actor: Actor, tenant_id: UUID, user: User, role: str) -> Membership:
    """Give a person a role in a tenant."""
    check(actor, "tenants.add_membership")
    _check_role(role)
    try:
        with transaction.atomic():
            member = Membership.objects.create(tenant_id=tenant_id, user=user, role=role)
            emit("member.added", {"user_id": str(user.pk), "role": role}, tenant_id=tenant_id)
    except IntegrityError as error:
        raise Problem("conflict", "This person is a member already.") from error
    cache.bump_quietly(str(tenant_id))
    return member


def check_member_change(actor: Actor, *named: str) -> None:
    """Raise `permission_denied` unless the actor may give and take these roles; owners are the owners' business."""
    check(actor, "tenants.change_membership")
    if "owner" in named and not actor.has_perm("tenants.change_owner"):
        raise Problem("permission_denied", "Only an owner may make, change or deactivate an owner.")


def change_member(
    *, actor: Actor, member: Membership, role: str | None = None, is_active: bool | None = None
) -> Membership:
    """Change a member's role, or deactivate them: refused everywhere within a second."""
    check(actor, "tenants.change_membership")
    with transaction.atomic():
        row = Membership.objects.select_for_update().get(pk=member.pk)
        check_member_change(actor, row.role, role or "")
        if is_active is False and isinstance(actor, Identity) and actor.user_id == row.user_id:
            raise Problem("conflict", "You cannot deactivate yourself. Ask another administrator.")
        if role is not None:
            _check_role(role)
            row.role = role
        if is_active is not None:
            row.is_active = is_active
        row.save(update_fields=["role", "is_active"])
        _keep_an_owner(row.tenant_id)
        if not row.is_active:
            Session.objects.filter(tenant_id=row.tenant_id, user_id=row.user_id).delete()
            families = TokenFamily.objects.filter(tenant_id=row.tenant_id, user_id=row.user_id)
            families.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())
    cache.bump_quietly(str(row.tenant_id))
    return row


def _check_role(role: str) -> None:
    if role not in roles.ROLES:
        raise invalid("role", "role", f"Use one of {', '.join(roles.ROLES)}.")


def _keep_an_owner(tenant_id: UUID) -> None:
    members = Membership.objects.filter(tenant_id=tenant_id, is_active=True)
    if members.exists() and not members.filter(role__in=["owner", "admin"]).exists():
        raise Problem("conflict", "An organisation needs at least one owner or administrator.")

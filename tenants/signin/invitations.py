"""Invitations: an administrator names an address and a role; whoever reads that mailbox may accept, once."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from qualisys import audit, tenancy
from qualisys.access import System
from qualisys.problems import Problem, invalid
from qualisys.text import unstorable
from tenants import members, services
from tenants.identity import Identity
from tenants.models import Membership, User
from tenants.signin import brake, entry
from tenants.signin.models import Invitation

DAYS = 7
_ACCEPTING = System("invitation")


def invite(*, actor: Identity, email: str, role: str) -> Invitation:
    """Let an address become a member of the actor's tenant; the mail is the caller's next step.

    Whether somebody has this address elsewhere is neither looked up nor told.
    """
    members.check_member_change(actor, role)
    tenant, email = tenancy.tenant(), email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise invalid("email", "email", "Enter an e-mail address, like name@example.com.") from error
    if Membership.objects.filter(tenant_id=tenant.id, user__email__iexact=email, is_active=True).exists():
        raise invalid("email", "member", "This person is a member already.")
    expires = timezone.now() + timedelta(days=DAYS)
    Invitation.objects.filter(
        tenant_id=tenant.id, email=email, accepted_at=None, revoked_at=None, expires_at__lte=timezone.now()
    ).update(revoked_at=timezone.now())
    try:
        with transaction.atomic():
            return Invitation.objects.create(
                tenant_id=tenant.id, email=email, role=role, invited_by=actor.user_id, expires_at=expires
            )
    except IntegrityError as error:
        raise invalid(
            "email", "invited", "This address is invited already. Send the invitation again."
        ) from error


def revoke(*, actor: Identity, invitation_id: UUID) -> Invitation:
    """Take an open invitation back: its link is refused from now on."""
    with transaction.atomic():
        row = _open_one(actor, invitation_id)
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])
    return row


def renew(*, actor: Identity, invitation_id: UUID) -> Invitation:
    """Start an open or expired invitation's days anew; the next mail carries a new link, the old one is refused."""
    with transaction.atomic():
        row = _open_one(actor, invitation_id)
        row.token_hash, row.sent_at = "", None
        row.expires_at = timezone.now() + timedelta(days=DAYS)
        row.save(update_fields=["token_hash", "sent_at", "expires_at"])
    return row


def _open_one(actor: Identity, invitation_id: UUID) -> Invitation:
    row = (
        Invitation.objects.select_for_update()
        .filter(tenant_id=tenancy.tenant().id, pk=invitation_id, accepted_at=None, revoked_at=None)
        .first()
    )
    if row is None:
        raise Problem("not_found", "There is no such open invitation.")
    members.check_member_change(actor, row.role)
    return row


def waiting() -> list[Invitation]:
    """Return the tenant's invitations that were neither accepted nor taken back."""
    return list(Invitation.objects.filter(tenant_id=tenancy.tenant().id, accepted_at=None, revoked_at=None))


def new_link(invitation_id: UUID) -> tuple[Invitation, str] | None:
    """Give an open invitation a new token; return it with the path for its mail, None where it is not open."""
    with transaction.atomic():
        row = (
            Invitation.objects.select_for_update()
            .filter(tenant_id=tenancy.tenant().id, pk=invitation_id)
            .first()
        )
        if row is None or not row.is_open:
            return None
        token = secrets.token_urlsafe(32)
        row.token_hash, row.sent_at = _hash(token), timezone.now()
        row.save(update_fields=["token_hash", "sent_at"])
    return row, f"/welcome/{token}/"


def of_token(token: str) -> Invitation:
    """Return the open invitation of a link; raise `not_found` for any other text."""
    row = Invitation.objects.filter(tenant_id=tenancy.tenant().id, token_hash=_hash(token)).first()
    if row is None or not row.is_open:
        raise Problem(
            "not_found", "This invitation is not valid any more. Ask an administrator for a new one."
        )
    return row


def known_person(invitation: Invitation) -> User | None:
    """Return who has the invited address already; only who holds the link is told."""
    with tenancy.use(tenancy.platform("accept an invitation")):
        return User.objects.filter(email__iexact=invitation.email).first()


def accept(*, token: str, name: str, password: str, visit: entry.Visit) -> User:
    """Make the invited address a member and return them: a new person, or a known one with their present password."""
    brake.slow_down_host(host=visit.address)
    invitation = of_token(token)
    known = known_person(invitation)
    with audit.acting(audit.Actor("system:invitation", audit.actor().request_id)), transaction.atomic():
        user = _confirmed(known, password) if known is not None else _created(invitation, name, password)
        _use_up(invitation)
        _join(user, invitation)
    return user


def _use_up(invitation: Invitation) -> None:
    used = Invitation.objects.filter(pk=invitation.pk, token_hash=invitation.token_hash, accepted_at=None)
    if used.update(accepted_at=timezone.now(), token_hash="") != 1:
        raise Problem("not_found", "This invitation was used already.")


def _created(invitation: Invitation, name: str, password: str) -> User:
    if not name.strip() or len(name) > 200 or unstorable(name):
        raise invalid("name", "length", "Enter your name, in up to 200 characters.")
    return services.create_user(
        actor=_ACCEPTING, email=invitation.email, name=name.strip(), password=password
    )


def _confirmed(user: User, password: str) -> User:
    brake.slow_down_person(user.pk, "password")
    if not user.is_active or not user.check_password(password):
        raise invalid("password", "password", "This is not the password of your account.")
    brake.forgive(user.pk, "password")
    return user


def _join(user: User, invitation: Invitation) -> None:
    found = Membership.objects.filter(tenant_id=invitation.tenant_id, user=user).first()
    if found is None:
        members.add_member(actor=_ACCEPTING, tenant_id=invitation.tenant_id, user=user, role=invitation.role)
    else:
        members.change_member(actor=_ACCEPTING, member=found, role=invitation.role, is_active=True)


def _hash(token: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), b"invitation:" + token.encode(), sha256).hexdigest()

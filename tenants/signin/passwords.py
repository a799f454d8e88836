"""Passwords: changed by who knows the old one, or set anew by who reads the person's mail."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from qualisys import audit, tenancy
from qualisys.problems import Problem, invalid
from tenants.backends import person_of
from tenants.identity import Identity
from tenants.models import User
from tenants.signin import brake, open_sessions


def check_new(password: str, user: User, field: str = "password") -> None:
    """Raise `validation_error` at `field` for a password that is too easy to guess."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise invalid(field, "password", " ".join(error.messages)) from error


def change_password(*, identity: Identity, current: str, new: str) -> None:
    """Change one's own password and end one's other sessions everywhere; raise `validation_error` by field."""
    brake.slow_down_person(identity.user_id, "password")
    user = User.objects.get(pk=identity.user_id)
    if not user.check_password(current):
        raise invalid("current", "password", "This is not your present password.")
    if current == new:
        raise invalid("new", "same", "Choose a password that is not the present one.")
    check_new(new, user, "new")
    brake.forgive(identity.user_id, "password")
    _set(user, new)
    open_sessions.end_everywhere(user.pk, but=identity.credential)


def reset_link(email: str) -> tuple[User, str] | None:
    """Return who has this address in the current tenant or platform, and the path that lets them choose a password.

    The path is signed, works once and for an hour; None where there is nobody.
    """
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None or person_of(user) is None:
        return None
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return user, f"/reset/{uid}/{default_token_generator.make_token(user)}/"


def whose_link(uid: str, token: str) -> User:
    """Return whose password a link may set here; raise `not_found` for one that is wrong, used or too old."""
    try:
        user = User.objects.filter(pk=urlsafe_base64_decode(uid).decode(), is_active=True).first()
    except (ValueError, ValidationError):
        user = None
    if user is None or person_of(user) is None or not default_token_generator.check_token(user, token):
        raise Problem("not_found", "This link is not valid any more. Ask for a new one on the sign-in page.")
    return user


def reset(*, uid: str, token: str, password: str) -> User:
    """Set a password through a link, which is used up, and end all sessions of the person."""
    user = whose_link(uid, token)
    check_new(password, user)
    with audit.acting(audit.Actor(str(user.pk), audit.actor().request_id, "password reset by mail")):
        with transaction.atomic():
            # Locked, so that two who hold the same link cannot both use it.
            locked = User.objects.select_for_update().get(pk=user.pk)
            if not default_token_generator.check_token(locked, token):
                raise Problem("not_found", "This link was used already.")
            _set(locked, password)
        open_sessions.end_everywhere(user.pk)
    return user


def _set(user: User, password: str) -> None:
    with tenancy.use(tenancy.platform("set a password")):
        user.set_password(password)
        user.save(update_fields=["password"])

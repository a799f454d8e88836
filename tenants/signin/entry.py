"""Signing in and out: one check for every door, and what a person gets behind it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth import authenticate, login
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from qualisys import audit, tenancy
from qualisys.problems import Problem
from tenants import tokens
from tenants.backends import person_of
from tenants.directory import load_person
from tenants.identity import Identity
from tenants.models import TokenFamily, User, of_tenant
from tenants.sessions import ORIGIN, SessionStore
from tenants.signin import brake, factors, provider

BACKEND = "tenants.backends.RoleBackend"
#: Where a session keeps who gave a right password and still owes a code, and since when.
PENDING = "_owes_code"
#: Seconds for which the code may be given after the password.
_PATIENCE = 300


@dataclass(frozen=True, slots=True)
class Visit:
    """Where somebody comes from: client address and browser, as a person would recognise them."""

    address: str = ""
    user_agent: str = ""


def visit(request: HttpRequest) -> Visit:
    """Return where a request comes from."""
    agent = "".join(sign for sign in request.META.get("HTTP_USER_AGENT", "")[:300] if sign.isprintable())
    return Visit(request.META.get("REMOTE_ADDR", "")[:45], agent)


def refused() -> Problem:
    """Return the one answer for every wrong combination."""
    return Problem("not_authenticated", "E-mail, password or organisation are not right.")


def by_password(*, email: str, password: str, visit: Visit) -> User:
    """Return who this is in the current tenant or on the platform; raise `not_authenticated`, `rate_limited`,
    and `permission_denied` where the organisation demands its provider.

    A second factor, where the person has one, is still to be asked for.
    """
    brake.slow_down(host=visit.address, email=email)
    user = authenticate(None, username=email.strip(), password=password)
    if not isinstance(user, User):
        raise refused()
    provider.check_password_admitted(user)
    return user


def tokens_by_password(
    tenant: tenancy.Tenant | None, email: str, password: str, otp: str | None, visit: Visit
) -> tokens.Pair:
    """Return tokens for a person of the tenant (None: of the platform).

    Raises `not_authenticated` for what is wrong and `second_factor_required` for a code that is missing.
    """
    if tenant is not None and tenant.status != "active":
        raise Problem("permission_denied", "This organisation is suspended. Ask your platform administrator.")
    with tenancy.use(tenant or tenancy.platform("sign in")):
        user = by_password(email=email, password=password, visit=visit)
        if factors.is_on(user.pk):
            if not otp:
                raise Problem("second_factor_required", "Send the code of your authenticator app as otp.")
            factors.check(user_id=user.pk, code=otp)
        return _open_tokens(user, tenant, visit, "password+code" if otp else "password")


def _open_tokens(user: User, tenant: tenancy.Tenant | None, visit: Visit, method: str) -> tokens.Pair:
    person = load_person((str(tenant.id) if tenant else "", user.pk))
    if person is None:
        raise refused()
    with transaction.atomic(), audit.acting(audit.Actor(str(user.pk), audit.actor().request_id)):
        pair = tokens.issue(
            user_id=user.pk,
            tenant_id=tenant.id if tenant else None,
            role=person.role or person.platform_role,
            address=visit.address,
            user_agent=visit.user_agent,
        )
        _record(user.pk, tenant, method)
    return pair


def open_session(request: HttpRequest, user: User, method: str) -> None:
    """Sign a person in to the pages of the current tenant or platform; `method` says by what."""
    context = tenancy.require()
    tenant = context if isinstance(context, tenancy.Tenant) else None
    came = visit(request)
    with (
        transaction.atomic(),
        audit.acting(audit.Actor(str(user.pk), getattr(request, "request_id", ""))),
    ):
        request.session[ORIGIN] = {
            "address": came.address,
            "user_agent": came.user_agent,
            "method": method,
            "began": timezone.now().isoformat(),
        }
        request.session.pop(PENDING, None)
        login(request, user, backend=BACKEND)
        _record(user.pk, tenant, method)


def owe_code(request: HttpRequest, user: User) -> None:
    """Remember that this person gave the right password and still owes the code."""
    request.session.cycle_key()
    request.session[PENDING] = [str(user.pk), time.time()]


def who_owes_code(request: HttpRequest) -> User | None:
    """Return who gave the right password a moment ago and still belongs here, or None."""
    user_id, since = request.session.get(PENDING, ("", 0.0))
    if time.time() - since > _PATIENCE:
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return user if user is not None and person_of(user) is not None else None


def check_own(request: HttpRequest) -> None:
    """Raise `permission_denied` in a session that the organisation's provider vouched for.

    An account is one person's in all their organisations; what protects it is not changed on the word of one
    organisation's provider.
    """
    if request.session.get(ORIGIN, {}).get("method") == provider.METHOD:
        detail = "You came in through your organisation's provider. To change this, sign in with your own password."
        raise Problem("permission_denied", detail)


def _record(user_id: UUID, tenant: tenancy.Tenant | None, method: str) -> None:
    audit.record(
        "session.started",
        object_type="user",
        object_id=str(user_id),
        tenant_id=tenant.id if tenant else None,
        after={"method": method},
    )


def with_refresh(text: str) -> tokens.Pair:
    """Return the next pair; raise `not_authenticated` for an unknown, used, revoked or expired token."""
    tenant_id, family_id, secret = tokens.split_refresh(text)
    with tenancy.use(tenancy.platform("refresh a token")):
        person = None
        problem: Problem | None = None
        with transaction.atomic():
            family = (
                TokenFamily.objects.select_for_update()
                .filter(
                    of_tenant(tenant_id),
                    pk=family_id,
                    revoked_at__isnull=True,
                    expires_at__gt=timezone.now(),
                )
                .first()
            )
            if family is None:
                raise Problem("not_authenticated", "This session has ended. Sign in again.")
            person = load_person((tenant_id, family.user_id))
            if person is None:
                raise Problem("not_authenticated", "This person is no longer a member here.")
            try:
                return tokens.refresh(family=family, secret=secret, role=person.role or person.platform_role)
            except Problem as reused:
                # The revocation must be committed although the request is refused.
                problem = reused
        raise problem


def end(identity: Identity) -> None:
    """End the session behind an identity; a key has none."""
    tenant_id = identity.tenant.id if identity.tenant else None
    with transaction.atomic():
        if identity.kind == "token":
            family = TokenFamily.objects.filter(of_tenant(tenant_id), pk=UUID(identity.credential)).first()
            if family is not None:
                tokens.revoke(family)
        elif identity.kind == "session":
            SessionStore().delete(identity.credential)
        else:
            raise Problem("conflict", "An API key has no session to end. Revoke the key instead.")

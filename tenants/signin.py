"""Signing in and out: passwords, refresh tokens, and the brake on guessing."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth import authenticate
from django.db import transaction
from django.utils import timezone

from qualisys import audit, tenancy
from qualisys import redis as qredis
from qualisys.problems import Problem
from tenants import tokens
from tenants.directory import load_person
from tenants.identity import Identity
from tenants.models import TokenFamily, User, of_tenant
from tenants.sessions import SessionStore

#: Attempts a minute for one e-mail address, and for one client address.
PER_EMAIL, PER_HOST = 10, 60


def refused() -> Problem:
    """Return the one answer for every wrong combination."""
    return Problem("not_authenticated", "E-mail, password or organisation are not right.")


async def slow_down(*, host: str, email: str) -> None:
    """Count an attempt; raise `rate_limited` above what a person needs."""
    client = qredis.client()
    for key, most in ((f"signin:{email.strip().lower()[:254]}", PER_EMAIL), (f"signin:{host}", PER_HOST)):
        count = await client.call("INCR", key)
        if count == 1:
            await client.call("EXPIRE", key, 60)
        if count > most:
            detail = "Too many attempts. Wait a minute and try again."
            raise Problem("rate_limited", detail, headers={"Retry-After": "60"})


def with_password(tenant: tenancy.Tenant | None, email: str, password: str) -> tokens.Pair:
    """Return tokens for a person of the tenant (None: of the platform); raise `not_authenticated`."""
    if tenant is not None and tenant.status != "active":
        raise Problem("permission_denied", "This organisation is suspended. Ask your platform administrator.")
    with tenancy.use(tenant or tenancy.platform("sign in")):
        user = authenticate(None, username=email.strip(), password=password)
        if not isinstance(user, User):
            raise refused()
        person = load_person((str(tenant.id) if tenant else "", user.pk))
        if person is None:
            raise refused()
        with transaction.atomic(), audit.acting(audit.Actor(str(user.pk), audit.actor().request_id)):
            pair = tokens.issue(
                user_id=user.pk,
                tenant_id=tenant.id if tenant else None,
                role=person.role or person.platform_role,
            )
            audit.record(
                "session.started",
                object_type="user",
                object_id=str(user.pk),
                tenant_id=tenant.id if tenant else None,
            )
    return pair


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

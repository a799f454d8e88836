"""An organisation's own provider: kept by its owners, and who comes in through it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import transaction

from qualisys import audit, roles, secretbox, tenancy
from qualisys.access import Actor, System, check
from qualisys.problems import Problem, invalid
from qualisys.text import unstorable
from tenants import members, services
from tenants.models import Membership, User
from tenants.signin import oidc, open_sessions
from tenants.signin.models import ExternalIdentity, IdentityProvider

PERM = "tenants.change_identityprovider"
#: How a session began that the organisation's provider vouched for.
METHOD = "provider"
_DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"
)
_ARRIVING = System("provider")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an owner writes down. An empty `client_secret` keeps the one there is; an empty role admits nobody new."""

    issuer: str
    client_id: str
    client_secret: str
    domains: tuple[str, ...]
    default_role: str = ""
    is_required: bool = False


def of_tenant(tenant_id: UUID) -> IdentityProvider | None:
    """Return the tenant's provider, or None."""
    return IdentityProvider.objects.filter(tenant_id=tenant_id).first()


def client_of(row: IdentityProvider) -> oidc.Client:
    """Return the installation as the provider knows it, with the secret."""
    return oidc.Client(row.issuer, row.client_id, secretbox.unseal(bytes(row.client_secret)).decode())


def save(*, actor: Actor, wanted: Wanted) -> IdentityProvider:
    """Keep the tenant's provider after asking it for its description; raise `validation_error` by field."""
    check(actor, PERM)
    tenant = tenancy.tenant()
    known = of_tenant(tenant.id)
    _check(wanted, known)
    try:
        async_to_sync(oidc.discover)(wanted.issuer)
    except Problem as problem:
        raise invalid("issuer", "provider", problem.detail) from problem
    secret = secretbox.seal(wanted.client_secret.encode()) if wanted.client_secret else None
    with transaction.atomic():
        row = known or IdentityProvider(tenant_id=tenant.id)
        row.issuer, row.client_id, row.domains = wanted.issuer, wanted.client_id, list(wanted.domains)
        row.default_role, row.is_required = wanted.default_role, wanted.is_required
        if secret is not None:
            row.client_secret = secret
        row.save()
        if row.is_required:
            _end_other_sessions(tenant.id)
    return row


def _end_other_sessions(tenant_id: UUID) -> None:
    """End what began without the provider, as it would be refused now; owners keep theirs, as their passwords."""
    owners = Membership.objects.filter(tenant_id=tenant_id, is_active=True, role="owner")
    open_sessions.end_begun_otherwise(tenant_id, METHOD, but=set(owners.values_list("user_id", flat=True)))


def ease(*, actor: Actor) -> None:
    """Stop demanding the tenant's provider: passwords and passkeys are accepted beside it."""
    check(actor, PERM)
    with transaction.atomic():
        row = IdentityProvider.objects.select_for_update().filter(tenant_id=tenancy.tenant().id).first()
        if row is None:
            raise Problem("not_found", "This organisation has no provider.")
        row.is_required = False
        row.save(update_fields=["is_required", "changed_at"])


def domains(text: str) -> tuple[str, ...]:
    """Return the domains that somebody typed, each once."""
    return tuple(dict.fromkeys(text.lower().replace(",", " ").split()))


def remove(*, actor: Actor) -> None:
    """Forget the tenant's provider: its members sign in with passwords and passkeys again."""
    check(actor, PERM)
    with transaction.atomic():
        for row in IdentityProvider.objects.filter(tenant_id=tenancy.tenant().id):
            row.delete()


def _check(wanted: Wanted, known: IdentityProvider | None) -> None:
    texts = (wanted.issuer, wanted.client_id, wanted.client_secret)
    if any(unstorable(each) for each in texts):
        raise Problem("validation_error", "This form has characters that no text can have.")
    if not wanted.client_id or len(wanted.client_id) > 300:
        raise invalid("client_id", "length", "Enter the client id that the provider gave you.")
    if not wanted.client_secret and known is None:
        raise invalid("client_secret", "required", "Enter the client secret that the provider gave you.")
    if known is not None and known.issuer != wanted.issuer and not wanted.client_secret:
        raise invalid("client_secret", "required", "Another provider needs its own secret: enter it.")
    if not wanted.domains:
        raise invalid("domains", "required", "Name at least one domain, such as example.com.")
    if wrong := [each for each in wanted.domains if not _DOMAIN.fullmatch(each)]:
        raise invalid("domains", "domain", f"'{wrong[0][:100]}' is not a domain, such as example.com.")
    if wanted.default_role and (wanted.default_role not in roles.ROLES or wanted.default_role == "owner"):
        raise invalid("default_role", "role", "Choose one of the roles; owners are made by owners.")


def is_demanded_of(user: User) -> bool:
    """Tell whether the person comes in through the current tenant's provider only.

    Owners never do: their password is the way in for the day the provider fails.
    """
    context = tenancy.require()
    row = of_tenant(context.id) if isinstance(context, tenancy.Tenant) else None
    if row is None or not row.is_required:
        return False
    owners = Membership.objects.filter(tenant_id=row.tenant_id, user=user, is_active=True, role="owner")
    return not owners.exists()


def check_password_admitted(user: User) -> None:
    """Raise `permission_denied` where the current tenant demands its provider of this person."""
    if is_demanded_of(user):
        raise Problem(
            "permission_denied",
            f"{tenancy.tenant().name} signs in through its own provider. "
            "Use the button for it, or an API key for programs.",
        )


def arrive(claims: oidc.Claims) -> User:
    """Return who came through the current tenant's provider; raise `not_authenticated` with the reason otherwise.

    A known subject is who they were. Somebody new is found by their verified address among the members, or made
    where the provider's settings give newcomers a role; an account of another organisation is never taken over.
    """
    tenant = tenancy.tenant()
    row = of_tenant(tenant.id)
    if row is None or row.issuer != claims.issuer:
        raise oidc.failed("it was changed meanwhile. Start again.")
    _check_claims(claims, row)
    with transaction.atomic(), audit.acting(audit.Actor("system:provider", audit.actor().request_id)):
        linked = ExternalIdentity.objects.filter(
            tenant_id=tenant.id, issuer=claims.issuer, subject=claims.subject
        ).first()
        return _linked(linked) if linked is not None else _first_visit(claims, row)


def _check_claims(claims: oidc.Claims, row: IdentityProvider) -> None:
    if unstorable(claims.name) or unstorable(claims.email) or unstorable(claims.subject):
        raise oidc.failed("it sent characters that no text can have.")
    if not claims.email or not claims.email_verified:
        raise oidc.failed("it does not vouch for your e-mail address. Ask its administrator to verify it.")
    if claims.email.rpartition("@")[2] not in row.domains:
        raise oidc.failed("your address is of a domain that your organisation does not admit.")


def _linked(identity: ExternalIdentity) -> User:
    member = Membership.objects.filter(
        tenant_id=identity.tenant_id, user_id=identity.user_id, is_active=True, user__is_active=True
    ).select_related("user").first()  # fmt: skip
    if member is None:
        raise oidc.failed("you are deactivated here. Ask an administrator.")
    return member.user


def _first_visit(claims: oidc.Claims, row: IdentityProvider) -> User:
    member = Membership.objects.select_related("user").filter(
        tenant_id=row.tenant_id, user__email__iexact=claims.email
    ).first()  # fmt: skip
    if member is not None and not (member.is_active and member.user.is_active):
        raise oidc.failed("you are deactivated here. Ask an administrator.")
    user = member.user if member is not None else _newcomer(claims, row)
    ExternalIdentity.objects.create(
        tenant_id=row.tenant_id, user=user, issuer=claims.issuer, subject=claims.subject
    )
    return user


def _newcomer(claims: oidc.Claims, row: IdentityProvider) -> User:
    with tenancy.use(tenancy.platform("admit a newcomer")):
        taken = User.objects.filter(email__iexact=claims.email).exists()
    if taken or not row.default_role:
        # The same answer for both: who has an account elsewhere is not this provider's business.
        raise oidc.failed("you are not a member here yet. Ask an administrator for an invitation.")
    user = services.create_user_without_password(actor=_ARRIVING, email=claims.email, name=claims.name)
    members.add_member(actor=_ARRIVING, tenant_id=row.tenant_id, user=user, role=row.default_role)
    return user

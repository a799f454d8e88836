"""What may wait, or needs the owner role of the maintenance queue: creating a tenant makes a schema."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import orjson

from qualisys import audit, tenancy
from qualisys import redis as qredis
from qualisys.access import check
from qualisys.celery import PlatformTask, app
from qualisys.problems import Problem
from tenants import services
from tenants.directory import load_person, load_tenant
from tenants.identity import Identity
from tenants.models import Tenant
from tenants.signin import invitations, mails, passwords

logger = logging.getLogger(__name__)

_KEY = "tenants:requested"
#: Seconds a request that came to nothing is still shown.
_KEPT = 3600


def request_tenant(*, actor: Identity, slug: str, name: str, tier: str, hosts: list[str]) -> None:
    """Ask the maintenance queue for a tenant; raise `guard_unavailable` where nobody can be asked."""
    check(actor, "tenants.add_tenant")
    try:
        _note(slug, "waiting", name)
        create_tenant.apply_async(
            (slug, name, tier, hosts, str(actor.user_id), audit.actor().request_id), retry=False
        )
    except Exception as error:
        logger.exception("the maintenance queue could not be asked for %s", slug)
        raise Problem(
            "guard_unavailable", "The queue does not answer. Nothing was created; try again."
        ) from error


def requested() -> list[dict[str, str]]:
    """Return the tenants that were asked for and are not there yet: slug, name, state (waiting or failed), detail."""
    found: Any = qredis.sync_client().hgetall(_KEY)
    return [{"slug": slug.decode(), **orjson.loads(value)} for slug, value in sorted(found.items())]


@app.task(base=PlatformTask, name="tenants.create_tenant", queue="maintenance")
def create_tenant(slug: str, name: str, tier: str, hosts: list[str], user_id: str, request_id: str) -> str:
    """Create a tenant for the person who asked, if they still may; asked twice, it is created once."""
    if Tenant.objects.filter(schema_name=slug).exists():
        _forget(slug)
        return "exists"
    try:
        person = load_person(("", UUID(user_id)))
        if person is None:
            raise Problem("permission_denied", "Who asked for it may not use the console any more.")
        actor = Identity(person, None, "session", "")
        with audit.acting(audit.Actor(actor.actor_id, request_id)):
            services.create_tenant(actor=actor, slug=slug, name=name, tier=tier, hosts=hosts)
    except Problem as problem:
        _note(slug, "failed", name, problem.detail)
        return problem.code
    except Exception:
        _note(slug, "failed", name, "The fault is on our side and was logged. Try again.")
        raise
    _forget(slug)
    return "created"


def request_mail(task: Any, *arguments: str) -> None:
    """Ask a worker for a mail; raise `guard_unavailable` where nobody can be asked.

    It is composed by the worker, so that asking takes the same time whether or not there is anybody to write to,
    and no link waits in the queue.
    """
    try:
        task.apply_async(arguments, retry=False)
    except Exception as error:
        logger.exception("the queue could not be asked for a mail")
        raise Problem(
            "guard_unavailable", "The queue does not answer. Nothing was sent; try again."
        ) from error


class MailTask(PlatformTask):
    """A task that sends a mail, and tries again for some minutes where the mail server is away."""

    autoretry_for = (OSError,)
    retry_backoff = 5
    max_retries = 6


@app.task(base=MailTask, name="tenants.send_reset")
def send_reset(tenant_id: str, email: str, base_url: str) -> str:
    """Mail a link for a new password, if somebody of the tenant ("" is the platform) has this address."""
    tenant = load_tenant(tenant_id) if tenant_id else None
    if tenant_id and (tenant is None or tenant.status != "active"):
        return "nobody"
    with tenancy.use(tenant or tenancy.platform("send a reset mail")):
        found = passwords.reset_link(email)
        if found is None:
            return "nobody"
        user, path = found
        mails.send("reset", user.email, {"person": user, "tenant": tenant, "link": base_url + path})
    return "sent"


@app.task(base=MailTask, name="tenants.send_invitation")
def send_invitation(tenant_id: str, invitation_id: str, base_url: str) -> str:
    """Mail an open invitation with a new link."""
    tenant = load_tenant(tenant_id)
    if tenant is None or tenant.status != "active":
        return "nobody"
    with tenancy.use(tenant):
        found = invitations.new_link(UUID(invitation_id))
        if found is None:
            return "nobody"
        row, path = found
        mails.send("invitation", row.email, {"invitation": row, "tenant": tenant, "link": base_url + path})
    return "sent"


def _note(slug: str, state: str, name: str, detail: str = "") -> None:
    client = qredis.sync_client()
    client.hset(_KEY, slug, orjson.dumps({"state": state, "name": name, "detail": detail}))
    client.expire(_KEY, _KEPT)


def _forget(slug: str) -> None:
    qredis.sync_client().hdel(_KEY, slug)

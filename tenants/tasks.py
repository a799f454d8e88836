"""What may wait, or needs the owner role of the maintenance queue: creating a tenant makes a schema."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import orjson

from qualisys import audit
from qualisys import redis as qredis
from qualisys.access import check
from qualisys.celery import PlatformTask, app
from qualisys.problems import Problem
from tenants import services
from tenants.directory import load_person
from tenants.identity import Identity
from tenants.models import Tenant

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


def _note(slug: str, state: str, name: str, detail: str = "") -> None:
    client = qredis.sync_client()
    client.hset(_KEY, slug, orjson.dumps({"state": state, "name": name, "detail": detail}))
    client.expire(_KEY, _KEPT)


def _forget(slug: str) -> None:
    qredis.sync_client().hdel(_KEY, slug)

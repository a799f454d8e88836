"""Reading runs: one that is under way from Redis, one that ended from Redis or the tenant's schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat, Left

from agents import registry
from agents.guard.admission import lease_key, live_key, result_key
from governance.health import refusals
from governance.models import Conversation, Run
from governance.runs import record
from qualisys import pagination, tenancy
from qualisys import redis as qredis
from qualisys.database.threads import in_thread
from qualisys.problems import Problem, invalid
from qualisys.redis import RedisUnavailable
from qualisys.text import unstorable
from tenants.identity import Identity

#: Sorts before every stored run, as a cursor after a page of live runs alone.
NEWEST = str(UUID(int=(1 << 128) - 1))

#: A search: runs it looks at for one page, characters of a request it looks at, and words it takes.
SEARCHED, LOOKED_AT, MAX_WORDS = 5_000, 1_000, 10
#: Characters of what a list is narrowed to.
MAX_FILTER = 200
#: Runs whose people a list can be narrowed to.
RECENT = 1_000


def not_found() -> Problem:
    """Return the one answer for runs that are not there or not to be seen."""
    return Problem("not_found", "There is no such run, or you may not see it.")


async def get_run(identity: Identity, run_id: UUID) -> dict[str, Any]:
    """Return a run of the identity's tenant; raise `not_found` for any it may not see."""
    tenant = tenancy.tenant()
    found = await _from_redis(tenant, run_id) or await in_thread(_from_database, run_id)
    if found is None or not await may_see(identity, found):
        raise not_found()
    return found


async def may_see(identity: Identity, run: dict[str, Any]) -> bool:
    """Tell whether the identity may see a run: its own, or one of an agent whose runs its role may see."""
    if run["user_id"] == str(identity.user_id):
        return True
    agent = await registry.find(run["agent_id"])
    return agent is not None and identity.has_perm("governance.view_run", agent)


async def _from_redis(tenant: tenancy.Tenant, run_id: UUID) -> dict[str, Any] | None:
    client = qredis.client()
    try:
        raw = await client.call("GET", result_key(run_id))
        if raw is not None:
            result: dict[str, Any] = orjson.loads(raw)
            return result if result.pop("tenant_id") == str(tenant.id) else None
        payload = await client.call("HGET", lease_key(run_id), "payload")
    except RedisUnavailable:
        return None
    if payload is None:
        return None
    start = orjson.loads(payload)
    return record.shown(start) if start["tenant_id"] == str(tenant.id) else None


def _from_database(run_id: UUID) -> dict[str, Any] | None:
    row = Run.objects.filter(pk=run_id).first()
    return as_shown(row) if row else None


def as_shown(row: Run) -> dict[str, Any]:
    """Return a stored run in the contract's shape."""
    return {
        "run_id": str(row.pk),
        "agent_id": row.agent_id,
        "version": row.version,
        "version_reason": row.version_reason,
        "status": row.status,
        "output": row.output,
        "structured_output": row.structured_output,
        "problem": row.problem,
        "tokens_used": row.input_tokens + row.output_tokens,
        "usage": {
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "estimated": row.usage_estimated,
        },
        "execution_time_ms": row.execution_time_ms,
        "conversation_id": str(row.conversation_id),
        "gates": [],
        "created_at": row.created_at.isoformat(),
        "demo": row.demo,
        "provider": row.provider,
        "model": row.model,
        "fallback_from": row.fallback_from,
        "cost": row.cost_micros / 1_000_000,
        "config_revision": row.config_revision,
        "prompt_hash": row.prompt_hash,
        "user_id": str(row.user_id),
        "input": row.input,
        "documents": [document["name"] for document in row.documents],
    }


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of runs is narrowed to; None and the empty text narrow nothing.

    `status` is a run's status, or `refused`. Each word of `text` is looked for in the first LOOKED_AT characters of
    the request and in the run's id.
    """

    agent_id: str | None = None
    status: str | None = None
    user_id: UUID | None = None
    text: str = ""

    @property
    def words(self) -> list[str]:
        """The words to look for."""
        return self.text.lower().split()[:MAX_WORDS]

    def fit(self, run: dict[str, Any]) -> bool:
        """Tell whether a run that is not stored yet belongs into the list."""
        looked_at = f"{run['run_id']} {run['input'][:LOOKED_AT]}".lower()
        return (
            self.agent_id in (None, run["agent_id"])
            and (self.status is None or refusals.has_status(run, self.status))
            and (self.user_id is None or str(self.user_id) == run["user_id"])
            and all(word in looked_at for word in self.words)
        )


def filters_of(*, agent_id: str = "", status: str = "", who: str = "", text: str = "") -> Filters:
    """Return what somebody asks a list to be narrowed to; raise a `validation_error` that names what means nothing."""
    for name, value in {"agent_id": agent_id, "status": status, "who": who, "q": text}.items():
        if unstorable(value):
            raise invalid(name, "text", "This holds characters that no text can have.")
        if len(value) > MAX_FILTER:
            raise invalid(name, "length", f"This may have {MAX_FILTER} characters at most.")
    try:
        person = UUID(who) if who else None
    except ValueError as error:
        raise invalid("who", "person", "Name a person by their id, as a run's user_id has it.") from error
    return Filters(agent_id or None, status or None, person, text)


async def list_runs(
    identity: Identity, *, filters: Filters, cursor: str | None, limit: int | None
) -> dict[str, Any]:
    """Return a page of runs, newest first; those under way come with the first page.

    A search looks at SEARCHED runs at a time, so a page may hold few runs, or none, and still have a next one.
    """
    after = pagination.decode(cursor, 1)
    size = pagination.limit_of(limit)
    seen = await _agents_seen(identity)
    stored, searched_to = await in_thread(_page, identity.user_id, seen, filters, after, size)
    live: list[dict[str, Any]] = []
    if after is None:
        known = {item["run_id"] for item in stored}
        live = [run for run in await _live(identity) if run["run_id"] not in known and filters.fit(run)]
    items = [*live, *stored][:size]
    last = searched_to
    if len(live) + len(stored) > size:
        last = items[-1]["run_id"] if items[-1] in stored else NEWEST
    return {"items": items, "next_cursor": pagination.encode([last]) if last else None}


async def _agents_seen(identity: Identity) -> list[str]:
    agents = await registry.enabled()
    return [agent.agent_id for agent in agents if identity.has_perm("governance.view_run", agent)]


def _visible(user_id: UUID, seen: list[str]) -> QuerySet[Run]:
    return Run.objects.filter(Q(user_id=user_id) | Q(agent_id__in=seen))


def _page(
    user_id: UUID, seen: list[str], filters: Filters, after: list[Any] | None, size: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Return one run more than `size`, and the last one looked at where a search left older ones out."""
    rows = _visible(user_id, seen)
    if filters.agent_id:
        rows = rows.filter(agent_id=filters.agent_id)
    if filters.status:
        rows = rows.filter(refusals.of_status(filters.status))
    if filters.user_id:
        rows = rows.filter(user_id=filters.user_id)
    if after is not None:
        try:
            rows = rows.filter(pk__lt=UUID(str(after[0])))
        except ValueError as error:
            raise pagination.bad_cursor() from error
    searched_to = None
    if filters.words:
        rows, searched_to = _search(rows, filters.words)
    return [as_shown(row) for row in rows[: size + 1]], searched_to


def _search(rows: QuerySet[Run], words: list[str]) -> tuple[QuerySet[Run], str | None]:
    # No index serves a search for parts of words: a bounded stretch of runs keeps it quick whatever a tenant has.
    last = rows.values_list("pk", flat=True)[SEARCHED - 1 : SEARCHED].first()
    if last is not None:
        rows = rows.filter(pk__gte=last)
    looked_at = Concat(
        Cast("pk", TextField()), Value(" "), Left("input", LOOKED_AT), output_field=TextField()
    )
    rows = rows.alias(looked_at=looked_at)
    for word in words:
        rows = rows.filter(looked_at__icontains=word)
    return rows, str(last) if last else None


async def people(identity: Identity) -> set[UUID]:
    """Return who asked for the newest of the runs that the identity may see."""
    return await in_thread(_people, identity.user_id, await _agents_seen(identity))


def _people(user_id: UUID, seen: list[str]) -> set[UUID]:
    return set(_visible(user_id, seen).values_list("user_id", flat=True)[:RECENT])


async def _live(identity: Identity) -> list[dict[str, Any]]:
    try:
        runs = await qredis.client().call("ZREVRANGE", live_key(tenancy.tenant().id), 0, 49)
    except RedisUnavailable:
        return []
    found = [await _from_redis(tenancy.tenant(), UUID(run.decode())) for run in runs]
    return [run for run in found if run is not None and await may_see(identity, run)]


async def get_conversation(identity: Identity, conversation_id: UUID) -> dict[str, Any]:
    """Return a conversation with its runs, oldest first; raise `not_found` where it may not be seen."""
    found = await in_thread(_conversation, conversation_id)
    if found is None:
        raise not_found()
    head, runs = found
    if not await may_see(identity, head):
        raise not_found()
    return {**head, "runs": runs}


def _conversation(conversation_id: UUID) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    row = Conversation.objects.filter(pk=conversation_id).first()
    if row is None:
        return None
    head = {
        "conversation_id": str(row.pk),
        "agent_id": row.agent_id,
        "version": row.version,
        "user_id": str(row.user_id),
        "title": row.title,
        "created_at": row.created_at.isoformat(),
    }
    runs = Run.objects.filter(conversation_id=conversation_id).order_by("id")[:200]
    return head, [as_shown(run) for run in runs]

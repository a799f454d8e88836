"""Reading runs: one that is under way from Redis, one that ended from Redis or the tenant's schema."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q

from agents import registry
from agents.guard.admission import lease_key, live_key, result_key
from governance.models import Conversation, Run
from governance.runs import record
from qualisys import pagination, tenancy
from qualisys import redis as qredis
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from tenants.identity import Identity

#: Sorts before every stored run, as a cursor after a page of live runs alone.
NEWEST = str(UUID(int=(1 << 128) - 1))


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
        "config_revision": row.config_revision,
        "prompt_hash": row.prompt_hash,
        "user_id": str(row.user_id),
        "input": row.input,
        "documents": [document["name"] for document in row.documents],
    }


async def list_runs(
    identity: Identity, *, agent_id: str | None, status: str | None, cursor: str | None, limit: int | None
) -> dict[str, Any]:
    """Return a page of runs, newest first; those under way come with the first page."""
    after = pagination.decode(cursor, 1)
    size = pagination.limit_of(limit)
    seen = [
        agent.agent_id
        for agent in await registry.enabled()
        if identity.has_perm("governance.view_run", agent)
    ]
    stored = await in_thread(_page, identity.user_id, seen, agent_id, status, after, size)
    live: list[dict[str, Any]] = []
    if after is None:
        known = {item["run_id"] for item in stored}
        live = [run for run in await _live(identity) if run["run_id"] not in known]
        live = [r for r in live if agent_id in (None, r["agent_id"]) and status in (None, r["status"])]
    items = [*live, *stored][:size]
    more = len(live) + len(stored) > size
    last = items[-1]["run_id"] if more and items[-1] in stored else NEWEST
    return {"items": items, "next_cursor": pagination.encode([last]) if more else None}


def _page(
    user_id: UUID,
    seen: list[str],
    agent_id: str | None,
    status: str | None,
    after: list[Any] | None,
    size: int,
) -> list[dict[str, Any]]:
    rows = Run.objects.filter(Q(user_id=user_id) | Q(agent_id__in=seen))
    if agent_id:
        rows = rows.filter(agent_id=agent_id)
    if status:
        rows = rows.filter(status=status)
    if after is not None:
        try:
            rows = rows.filter(pk__lt=UUID(str(after[0])))
        except ValueError as error:
            raise pagination.bad_cursor() from error
    return [as_shown(row) for row in rows[: size + 1]]


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

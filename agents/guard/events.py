"""What the guard did, carried from Redis into the database: kept for people, told to the floors above.

An event that is read twice is stored once, and told once: telling is in the transaction that stores it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from django.db import connections, transaction

from agents.guard.circuits import Circuit
from agents.guard.models import GuardEvent
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.events import emit

STREAM = "guard:events"
BATCH = 200


def drain() -> int:
    """Store what waits and return how many events that were."""
    client = qredis.sync_client()
    entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange(STREAM, count=BATCH))
    if not entries:
        return 0
    with tenancy.use(tenancy.platform("store what the guard did")), transaction.atomic():
        with connections["default"].cursor() as cursor:
            # One relay at a time: two that read the same entries would tell them twice.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [STREAM])
        for key, fields in entries:
            _store(row_of(key.decode(), {name.decode(): value.decode() for name, value in fields.items()}))
    client.xdel(STREAM, *[key for key, _ in entries])
    return len(entries)


def _store(row: GuardEvent) -> None:
    if GuardEvent.objects.filter(pk=row.pk).exists():
        return
    row.save(force_insert=True)
    payload = {
        "agent_id": row.agent_id,
        "provider": row.provider,
        "model": row.model,
        "at": row.at.isoformat(),
        **row.detail,
    }
    emit(row.kind, payload, tenant_id=row.tenant_id)


def row_of(key: str, fields: dict[str, str]) -> GuardEvent:
    """Return an entry of the stream as a row."""
    at = datetime.fromtimestamp(int(key.split("-")[0]) / 1000, UTC)
    kind = fields.pop("kind")
    if "circuit" in fields:
        circuit = Circuit.parse(fields.pop("circuit"))
        return GuardEvent(
            id=key,
            at=at,
            kind=kind,
            agent_id=circuit.agent_id or "",
            tenant_id=circuit.tenant_id,
            provider=circuit.provider,
            model=circuit.model,
            detail={name: value for name, value in fields.items() if value},
        )
    return GuardEvent(
        id=key,
        at=at,
        kind=kind,
        agent_id=fields["agent"],
        tenant_id=UUID(fields["tenant"]),
        detail=_budget(fields),
    )


def _budget(fields: dict[str, str]) -> dict[str, Any]:
    """Return what a budget's event says; money in dollars."""
    kind, _, *scope, period = fields["counter"].split(":")
    per = 1_000_000 if kind == "cost_budget" else 1
    return {
        "scope": "agent" if scope else "tenant",
        "period": "month" if len(period) == 7 else "day",
        "unit": "dollars" if kind == "cost_budget" else "tokens",
        "limit": int(float(fields["limit"])) / per,
        "used": int(float(fields["used"])) / per,
    }

"""Ending the runs of processes that died: what was stored is kept, one `run.failed`, one row."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from agents.guard import Lease, Settlement, scripts, settle
from agents.guard.admission import LEASES, events_key
from agents.providers.base import Usage
from governance.runs import record
from governance.runs.stream import DELTA, LOST_TEXT, Event, after, stored
from qualisys import redis as qredis
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable

logger = logging.getLogger(__name__)

AT_ONCE = 100


async def reap() -> int:
    """Settle every run whose process is gone or whose lease has expired; return how many."""
    flat = await qredis.client().run(scripts.ORPHANS, [LEASES], [AT_ONCE], deadline=2)
    ended = 0
    for run, payload in zip(flat[::2], flat[1::2], strict=True):
        try:
            ended += await _end(run.decode(), orjson.loads(payload))
        except RedisUnavailable:
            raise
        except Exception as error:
            # One that nobody can end must not keep all others from their end.
            logger.error("run %s cannot be ended, its lease is dropped: %r", run.decode(), error)
            await qredis.client().run(scripts.TAKE_BACK, (), [run], deadline=2)
    return ended


async def _end(run_id: str, start: dict[str, Any]) -> bool:
    rows = await qredis.client().call("XRANGE", events_key(run_id), "-", "+", deadline=2)
    position, text = _told([stored(entry, fields) for entry, fields in rows])
    began = datetime.fromisoformat(start["created_at"])
    granted = start.pop("granted", None) or _granted_before(start)
    start["cost_micros"] = granted["cost_micros"]
    detail = "The process that executed this run died. What it had written so far is kept; run it again."
    end = record.End(
        status="failed",
        output=text,
        problem=Problem("worker_lost", detail),
        # What the model used is unknown: all that was reserved.
        usage=Usage(granted["tokens"] - granted["output_tokens"], granted["output_tokens"], estimated=True),
        milliseconds=round((datetime.now(UTC) - began).total_seconds() * 1000),
    )
    name, data = record.last_event(start, end)
    lease = Lease(UUID(run_id), UUID(start["tenant_id"]), start["agent_id"], UUID(start["conversation_id"]))
    result = orjson.dumps({**record.shown(start, end), "tenant_id": start["tenant_id"]})
    settled = await settle(
        lease,
        Settlement(
            [(position + 1 + LOST_TEXT, name, data)],
            result,
            record.entry(start, end),
            reason="worker_lost",
            tokens=granted["tokens"],
            cost_micros=granted["cost_micros"],
            day=start["created_at"][:10],
        ),
        deadline=2,
    )
    if settled.ended:
        logger.warning("run %s was ended in place of its process", run_id)
    return settled.ended


def _granted_before(start: dict[str, Any]) -> dict[str, int]:
    """Return what a run was granted by a process that was older than grants."""
    output = int(start["reserve_tokens"])
    start.setdefault("fallback_from", "")
    return {"tokens": len(start["input"].encode()) // 3 + output, "output_tokens": output, "cost_micros": 0}


def _told(events: list[Event]) -> tuple[int, str]:
    """Return the last position and the text of stored events; pieces that were sent twice overlap."""
    texts: list[str] = []
    position, index = 0, 0
    while True:
        event, index = after(events, index, position)
        if event is None:
            return position, "".join(texts)
        position = event.position
        if event.name == DELTA:
            texts.append(event.data)

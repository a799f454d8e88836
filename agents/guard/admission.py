"""Admit and settle: every run passes here, once in and once out.

`admit` checks that the caller's knowledge is current and takes a lease; breaker and budgets join the same
step. A lease names the process that holds it; when that process is gone, a reaper settles in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from agents.guard import scripts
from qualisys import cache
from qualisys import redis as qredis
from qualisys.redis import RedisUnavailable

#: Seconds a lease outlives the run's deadline.
GRACE = 30
#: Seconds a finished run's events and result are kept for readers; the database keeps them for good.
KEPT = 3600
LEASES = "leases"
SPOOL = "spool"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run, held until settled or expired."""

    run_id: UUID
    tenant_id: UUID
    agent_id: str
    conversation_id: UUID


class Refused(Exception):  # noqa: N818
    """What the caller knows is stale: `topics` changed since it was read, and were learnt now."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(", ".join(topics))
        self.topics = topics


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a run ended: its last events, what `GET /runs/{id}` answers, and its entry for the spool.

    An event is (position, name, data); `conversation` is the context the next turn continues, or empty.
    """

    events: Sequence[tuple[int, str, bytes | str]]
    result: bytes
    entry: bytes
    conversation: bytes = b""


def lease_key(run_id: UUID | str) -> str:
    """Return the key of a run's lease."""
    return f"lease:{run_id}"


def live_key(tenant_id: UUID | str) -> str:
    """Return the key of a tenant's runs under way."""
    return f"live:{tenant_id}"


def events_key(run_id: UUID | str) -> str:
    """Return the key of a run's event stream; also the channel that tells of new events."""
    return f"events:{run_id}"


def result_key(run_id: UUID | str) -> str:
    """Return the key of a finished run's answer."""
    return f"result:{run_id}"


def conversation_key(conversation_id: UUID | str) -> str:
    """Return the key of a conversation's recent messages."""
    return f"conversation:{conversation_id}"


async def admit(
    lease: Lease,
    *,
    epochs: Mapping[str, str],
    timeout_seconds: int,
    reserve_tokens: int,
    customized: bool,
    process: str,
    payload: Mapping[str, object],
) -> None:
    """Take the lease, in one round trip.

    `epochs` are those under which the configuration was read; raises Refused (after learning the new ones)
    where one has changed, RedisUnavailable where the guard cannot be asked. `payload` is what a reaper needs to
    write the run's row. `reserve_tokens` and `customized` say what to reserve and whose breaker counts.
    """
    told = {**payload, "reserve_tokens": reserve_tokens, "customized": customized}
    run = str(lease.run_id)
    args: list[str | bytes | int] = [run, timeout_seconds + GRACE, orjson.dumps(told), process]
    for topic, epoch in epochs.items():
        args += [topic, epoch]
    keys = [cache.HASH, lease_key(run), LEASES, live_key(lease.tenant_id)]
    client = qredis.client()
    try:
        reply = await client.run(scripts.ADMIT, keys, args)
    except RedisUnavailable:
        # A frozen server will still read what was sent; what follows on the same connection takes it back.
        client.run_soon(scripts.TAKE_BACK, keys[1:], [run])
        raise
    if reply == 0:
        return
    changed = [part.decode() for part in reply]
    for topic, epoch in zip(changed[::2], changed[1::2], strict=True):
        if epoch:
            cache.epochs.learn(topic, epoch)
        else:
            cache.epochs.forget(topic)
    raise Refused(changed[::2])


async def settle(lease: Lease, outcome: Settlement, *, deadline: float = qredis.DEADLINE) -> bool:
    """End the run, in one round trip; return False where somebody else ended it before.

    Result, last event, spool entry and release of the lease happen together or not at all.
    """
    run = str(lease.run_id)
    events = events_key(run)
    keys = [
        lease_key(run),
        LEASES,
        live_key(lease.tenant_id),
        events,
        result_key(run),
        SPOOL,
        conversation_key(lease.conversation_id),
    ]
    args: list[str | bytes | int] = [
        run,
        events,
        outcome.result,
        outcome.entry,
        KEPT,
        outcome.conversation,
    ]
    for position, name, data in outcome.events:
        args += [f"{position}-0", name, data]
    return bool(await qredis.client().run(scripts.SETTLE, keys, args, deadline=deadline) == 1)

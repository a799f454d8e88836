"""Admit and settle: every run passes here, once in and once out.

`admit` decides in one atomic step (epochs, circuits, rates, budgets) and takes a lease; `settle` books what was
really used and what it says about the circuits. A lease names the process that holds it; when that process is gone,
a reaper settles in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson

from agents.guard import scripts
from agents.guard.plan import Grant, Plan
from agents.guard.refusals import refusal
from qualisys import cache
from qualisys import redis as qredis
from qualisys.redis import RedisUnavailable

#: Seconds a finished run's events and result are kept for readers; the database keeps them for good.
KEPT = 3600
LEASES = "leases"
SPOOL = "spool"

#: What a run says about a circuit; neutral says nothing.
Verdict = Literal["ok", "failure", "neutral"]


class Lease(NamedTuple):
    """The right to run, held until settled or expired."""

    run_id: UUID
    tenant_id: UUID
    agent_id: str
    conversation_id: UUID


class Admitted(NamedTuple):
    """A run that may begin: the number of its candidate (from 0), its day, and what is left for others.

    `rate` and `tokens` are (limit, left, milliseconds until it is reset), limit 0 or -1 for none. `shadow` is the code
    of the refusal that a guard in shadow would have given.
    """

    candidate: int
    day: str
    rate: Sequence[int]
    tokens: Sequence[int]
    shadow: str

    @property
    def headers(self) -> dict[str, str]:
        """What callers are told of their limits, with every run."""
        return {**_left("requests", *self.rate), **_left("tokens", *self.tokens)}


def _left(of: str, limit: int, left: int, milliseconds: int) -> dict[str, str]:
    if limit <= 0:
        return {}
    return {
        f"x-ratelimit-limit-{of}": str(limit),
        f"x-ratelimit-remaining-{of}": str(left),
        f"x-ratelimit-reset-{of}": str(-(-milliseconds // 1000)),
    }


class Stale(Exception):  # noqa: N818
    """What the caller knows is stale: `topics` changed since it was read, and were learnt now."""

    def __init__(self, topics: Sequence[str]) -> None:
        super().__init__(", ".join(topics))
        self.topics = topics


class Unseeded(Exception):  # noqa: N818
    """Redis does not know what this tenant has used: its counters must be seeded from the ledger first."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a run ended: its last events, what `GET /runs/{id}` answers, and its entry for the spool.

    An event is (position, name, data); `conversation` is the context the next turn continues, or empty. `own` and
    `model` are the verdicts for the two circuits, `reason` why; tokens and millionths of a dollar were really used.
    """

    events: Sequence[tuple[int, str, bytes | str]]
    result: bytes
    entry: bytes
    conversation: bytes = b""
    own: Verdict = "neutral"
    model: Verdict = "neutral"
    reason: str = ""
    tokens: int = 0
    cost_micros: int = 0
    day: str = ""


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
    plan: Plan,
    grant: Grant,
    *,
    epochs: Mapping[str, str],
    process: str,
    payload: Mapping[str, object],
) -> Admitted:
    """Take the lease, in one round trip.

    `epochs` are those under which the configuration was read; `payload` is what a reaper needs to write the run's
    row. Raises Stale (after learning the new epochs), Unseeded, RedisUnavailable where the guard cannot be asked, and
    the Problem of the limit or circuit that refuses.
    """
    run = str(lease.run_id)
    args = _held(run, plan, grant, process, payload)
    for topic, epoch in epochs.items():
        args += (topic, epoch)
    client = qredis.client()
    try:
        reply = await client.run(scripts.ADMIT, (), args)
    except RedisUnavailable:
        # A frozen server will still read what was sent; what follows on the same connection takes it back.
        client.run_soon(scripts.TAKE_BACK, (), [run])
        raise
    said = reply[0]
    if said == b"ok":
        _, at, day, *left, shadow = reply
        return Admitted(at - 1, day.decode(), left[:3], left[3:], shadow.decode())
    if said == b"stale":
        raise _learn(reply[1:])
    if said == b"unseeded":
        raise Unseeded
    raise refusal(plan, reply[1:])


def _held(
    run: str, plan: Plan, grant: Grant, process: str, payload: Mapping[str, object]
) -> list[str | bytes | int]:
    """Return what a lease is made of, as the scripts take it."""
    return [
        run,
        plan.seconds,
        orjson.dumps(payload),
        process,
        plan.encoded,
        grant.tokens,
        grant.cost_micros,
    ]


def _learn(pairs: Sequence[bytes]) -> Stale:
    changed = [part.decode() for part in pairs]
    for topic, epoch in zip(changed[::2], changed[1::2], strict=True):
        if epoch:
            cache.epochs.learn(topic, epoch)
        else:
            cache.epochs.forget(topic)
    return Stale(changed[::2])


async def advance(lease: Lease, plan: Plan, candidate: int, wait_seconds: float) -> int | None:
    """Note that a candidate's provider asks for a pause; return the number of the next one that may be called."""
    args: list[Any] = [str(lease.run_id), candidate + 1, round(wait_seconds * 1000), plan.encoded]
    found: int = await qredis.client().run(scripts.ADVANCE, (), args)
    return found - 1 if found else None


class Settled(NamedTuple):
    """Whether this settlement ended the run, and the new state of the agent's own circuit where it changed it."""

    ended: bool
    circuit: str


async def settle(lease: Lease, outcome: Settlement, *, deadline: float = qredis.DEADLINE) -> Settled:
    """End the run, in one round trip; `ended` is False where somebody else ended it before.

    Result, last event, spool entry, booking and release of the lease happen together or not at all.
    """
    run = str(lease.run_id)
    args: list[str | bytes | int] = [
        run,
        events_key(run),
        outcome.result,
        outcome.entry,
        KEPT,
        conversation_key(lease.conversation_id) if outcome.conversation else "",
        outcome.conversation,
        outcome.own,
        outcome.model,
        outcome.tokens,
        outcome.cost_micros,
        str(lease.tenant_id),
        lease.agent_id,
        outcome.day,
        outcome.reason,
    ]
    for position, name, data in outcome.events:
        args += (f"{position}-0", name, data)
    ended, circuit = await qredis.client().run(scripts.SETTLE, (), args, deadline=deadline)
    return Settled(ended == 1, circuit.decode())


async def restore(
    lease: Lease, plan: Plan, grant: Grant, admitted: Admitted, *, process: str, payload: Mapping[str, object]
) -> bool:
    """Give a run that goes on its lease again, after Redis has lost it; return False where it needs none."""
    args = _held(str(lease.run_id), plan, grant, process, payload)
    args += (admitted.candidate + 1, admitted.day)
    return bool(await qredis.client().run(scripts.RESTORE, (), args) == 1)

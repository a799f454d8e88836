"""A run's events, wherever they are: in another process, in Redis, or only in what remains of the run itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson

from agents.guard.admission import events_key
from governance.runs import selectors
from governance.runs.execution import executions
from governance.runs.stream import DELTA, LOOK, LOST_TEXT, Event, Forgotten, after, follow, follow_elsewhere
from qualisys import tenancy
from qualisys.pulse import pulse
from tenants.identity import Identity

UNDER_WAY = ("queued", "running")

Look = Callable[[], Awaitable[dict[str, Any]]]


async def replay(run_id: UUID, position: int, look: Look) -> AsyncIterator[Event]:
    """Yield the events behind `position` until the run's end; `look` tells how the run stands.

    A run that has not begun is waited for; one that Redis has let go of is told from its row.
    """
    while True:
        try:
            async for event in follow_elsewhere(run_id, position):
                position = event.position
                yield event
            return
        except Forgotten:
            run = await look()
        if run["status"] not in UNDER_WAY:
            break
        await _first_message(run_id)
    events, index = _remains(run), 0
    while True:
        found, index = after(events, index, position)
        if found is None:
            return
        position = found.position
        yield found


def events_of(identity: Identity, run_id: UUID, position: int) -> AsyncIterator[Event]:
    """Return a run's events behind `position`, wherever it is executed or remembered."""
    execution = executions.get(run_id)
    if execution is not None:
        return follow(execution.log, position)

    async def look() -> dict[str, Any]:
        # A stream is written outside the request's context.
        assert identity.tenant is not None
        with tenancy.use(identity.tenant):
            return await selectors.get_run(identity, run_id)

    return replay(run_id, position, look)


async def _first_message(run_id: UUID) -> None:
    async with pulse().hearing(events_key(run_id)) as told:
        try:
            async with asyncio.timeout(LOOK):
                await told.wait()
        except TimeoutError:
            pass


def _remains(run: dict[str, Any]) -> list[Event]:
    """Return the events of an ended run, at the positions they had."""
    text, status = run["output"], run["status"]
    started = {key: run[key] for key in ("run_id", "agent_id", "version", "conversation_id", "demo")}
    events = [_event(1, "run.started", started)]
    if text:
        events.append(Event(1 + len(text), DELTA, text))
    last = 2 + len(text)
    if status == "failed":
        problem = run["problem"]
        if problem["code"] == "worker_lost":
            last += LOST_TEXT
        return [*events, _event(last, "run.failed", {"problem": problem})]
    if status != "cancelled":
        usage = {name: run["usage"][name] for name in ("input_tokens", "output_tokens")}
        events.append(_event(last, "usage", usage))
        last += 1
    ended = {
        key: run[key]
        for key in ("status", "output", "structured_output", "tokens_used", "execution_time_ms", "run_id",
                    "conversation_id")
    }  # fmt: skip
    return [*events, _event(last, "run.completed", ended)]


def _event(position: int, name: str, data: dict[str, Any]) -> Event:
    return Event(position, name, orjson.dumps(data).decode())

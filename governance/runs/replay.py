"""A run's events after Redis has let go of them: from what remains of the run itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from governance.runs.stream import DELTA, ENDS, Event


async def replay(
    run: dict[str, Any], stored: AsyncIterator[Event], position: int = 0
) -> AsyncIterator[Event]:
    """Yield the stored events and, where they end without an end, what the finished run still tells."""
    seen = position
    async for event in stored:
        yield event
        seen = event.position
        if event.name in ENDS:
            return
    if run["status"] in ("queued", "running"):
        return
    for event in _remains(run):
        if event.position > seen:
            yield event


def _remains(run: dict[str, Any]) -> list[Event]:
    started = {key: run[key] for key in ("run_id", "agent_id", "version", "conversation_id", "demo")}
    text = run["output"]
    events = [Event(1, "run.started", orjson.dumps(started).decode())]
    if text:
        events.append(Event(1 + len(text), DELTA, text))
    last = 2 + len(text)
    if run["status"] == "failed":
        return [*events, Event(last, "run.failed", orjson.dumps({"problem": run["problem"]}).decode())]
    ended = {
        key: run[key]
        for key in ("status", "output", "structured_output", "tokens_used", "execution_time_ms", "run_id",
                    "conversation_id")
    }  # fmt: skip
    return [*events, Event(last, "run.completed", orjson.dumps(ended).decode())]

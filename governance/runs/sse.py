"""Server-sent events: the shortest way from a run's log to a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse

from governance.runs.stream import PIECE, Event
from qualisys.handler import Listen
from tenants.authentication import still_holds
from tenants.identity import Identity

HEARTBEAT = 15
#: Seconds between two looks at whether the reader may still read.
RECHECK = 2

Send = Callable[[dict[str, Any]], Awaitable[None]]


def frame(run_id: UUID, event: Event) -> bytes:
    """Return one event in the wire format."""
    return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
        str(run_id).encode(),
        event.position,
        event.name.encode(),
        event.json,
    )


class EventStream(HttpResponse):
    """A response that relays a run's events until it ends or the reader is gone or no longer admitted."""

    def __init__(
        self,
        run_id: UUID,
        events: AsyncIterator[Event],
        identity: Identity,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(content_type="text/event-stream; charset=utf-8", headers=headers)
        self["Cache-Control"] = "no-cache, no-store"
        self["X-Accel-Buffering"] = "no"
        self.run_id, self.events, self.identity = run_id, events, identity
        #: An event is on its way; for a reader that stalls this lasts, and a heartbeat would break into it.
        self._writing = False

    async def stream(self, send: Send, listen: Listen) -> None:
        """Write the events; a client that is gone or refused ends the reading, not the run."""
        headers = [(name.lower().encode(), value.encode("latin1")) for name, value in self.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        relay = asyncio.create_task(self._relay(send))
        watch = asyncio.create_task(self._watch(send))
        watch.add_done_callback(lambda _: relay.cancel())
        listen(relay.cancel)
        try:
            await asyncio.wait((relay,))
        finally:
            relay.cancel()
            watch.cancel()
        # To a caller that is gone this is said in vain.
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _relay(self, send: Send) -> None:
        prefix = b"id: " + str(self.run_id).encode() + b"-"
        async for event in self.events:
            head = prefix + b"%d\nevent: %s\ndata: " % (event.position, event.name.encode())
            self._writing = True
            if len(event.data) <= PIECE:
                body = head + event.json + b"\n\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
            else:
                await _send_large(send, head, event.data)
            self._writing = False

    async def _watch(self, send: Send) -> None:
        beats = 0
        while True:
            await asyncio.sleep(RECHECK)
            beats += 1
            if not await still_holds(self.identity):
                return
            if beats * RECHECK >= HEARTBEAT and not self._writing:
                beats = 0
                await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})


async def _send_large(send: Send, head: bytes, data: str) -> None:
    """Send an event whose data is not text in pieces, so that a reader that stalls holds one of them."""
    await send({"type": "http.response.body", "body": head, "more_body": True})
    for at in range(0, len(data), PIECE):
        await send({"type": "http.response.body", "body": data[at : at + PIECE].encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"\n\n", "more_body": True})

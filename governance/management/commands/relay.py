"""`manage.py relay`: carries what waits (outbox, spool) to where it belongs and ends orphaned runs."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections, connections

from agents.guard import events as guard_events
from governance.runs import reaper, spool
from qualisys import audit, events, pulse
from qualisys import redis as qredis

logger = logging.getLogger(__name__)

#: Seconds between two looks at the outbox and for orphans; a second is what a revocation may take.
PAUSE = 0.25


class Command(BaseCommand):
    """Run until told to stop; any number may run side by side."""

    help = "Relay events, write finished runs from the spool and end the runs of dead processes."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the loops in threads."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        consumer = pulse.Pulse().process
        loops: dict[str, Callable[[], int]] = {
            "events": events.relay,
            "guard": guard_events.drain,
            "spool": lambda: spool.drain(consumer),
            "reaper": lambda: asyncio.run(_reap()),
        }
        threads = [threading.Thread(target=_forever, args=(name, work, stop)) for name, work in loops.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


async def _reap() -> int:
    try:
        return await reaper.reap()
    finally:
        await qredis.close()


def _forever(name: str, work: Callable[[], int], stop: threading.Event) -> None:
    pause = PAUSE
    while not stop.is_set():
        try:
            with audit.acting(audit.Actor(f"system:{name}")):
                done = work()
            pause = 0.0 if done and name != "reaper" else PAUSE
        except Exception:
            logger.exception("%s: failed, trying again", name)
            pause = min(max(pause, PAUSE) * 2, 5)
            close_old_connections()
        stop.wait(pause)
    connections.close_all()

"""The outbox's half of cache invalidation: a crash between commit and announcement loses nothing."""

from __future__ import annotations

from qualisys import cache
from qualisys.events import Event


def handle(event: Event) -> None:
    """Make the caches of a changed topic stale."""
    if event.topic == "cache.stale":
        cache.bump([event.payload["topic"]])

"""Providers and models that were stopped by hand, as the run path reads them."""

from __future__ import annotations

from agents.models import ModelStop
from qualisys import cache, tenancy
from qualisys.cache import Cached

#: (provider, model); an empty model stands for all of the provider's.
Stops = frozenset[tuple[str, str]]


def load() -> Stops:
    """Return what is stopped, from the database."""
    with tenancy.use(tenancy.platform("read stops")):
        return frozenset(ModelStop.objects.values_list("provider", "model"))


_stops: Cached[str, Stops] = Cached(lambda _: load(), topics=lambda _: (cache.AGENTS,))


async def current() -> Stops:
    """Return what is stopped."""
    return await _stops.get("")


def is_stopped(stops: Stops, provider: str, model: str) -> bool:
    """Tell whether a model may not be called."""
    return (provider, "") in stops or (provider, model) in stops

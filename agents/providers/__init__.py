"""Model providers: one interface over the APIs that answer. See `docs/guides/adding-a-provider.md`."""

from agents.providers.base import Answer, Outcome, Provider, Request, Usage, estimate
from agents.providers.registry import configured, get, is_demo, known, usable
from agents.providers.session import close

__all__ = [
    "Answer",
    "Outcome",
    "Provider",
    "Request",
    "Usage",
    "close",
    "configured",
    "estimate",
    "get",
    "is_demo",
    "known",
    "usable",
]

"""A web process whose `vllm` provider swallows cancellation and answers long after: the worst of plug-ins.

`uvicorn tests.stubborn:application`
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from agents.providers import registry
from agents.providers.base import Answer, Outcome, Request


class Stubborn:
    """Holds on for SECONDS, whoever cancels it, and then answers as if nothing had happened."""

    SECONDS = 3

    def __init__(self, name: str, base_url: str, key: str) -> None:
        self.name = name

    async def complete(self, request: Request, outcome: Outcome | None = None) -> Answer:
        """Answer too late."""
        outcome = outcome or Outcome()
        until = time.monotonic() + self.SECONDS
        while time.monotonic() < until:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue
        outcome.usage.output_tokens = 999
        outcome.finished = True
        return Answer("far too late", outcome.usage, truncated=False)

    async def stream(self, request: Request, outcome: Outcome) -> AsyncGenerator[str, None]:
        """Answer too late, in one piece."""
        yield "early "
        yield (await self.complete(request, outcome)).text


registry.PROVIDERS["vllm"] = Stubborn

from qualisys.asgi import application  # noqa: E402 - the provider belongs there first

__all__ = ["application"]

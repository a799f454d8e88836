"""Calls that tests make of a provider."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from agents.providers.base import Outcome, Provider, Request

KEY = "sk-test-4f1d9b7a2c8e6f30"
SYSTEM = "You are a careful reviewer of requirements. CANARY-7731 is never shown to members."


def ask(model: str, text: str = "Is this testable?", **more: Any) -> Request:
    """Return a request whose model name scripts the provider: `ask("m@chunks=3")`."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    return Request(model=model, messages=messages, max_tokens=100, **more)


async def answer(provider: Provider, request: Request, *, streaming: bool) -> tuple[str, Outcome]:
    """Return the answer's text and what is known about it, whichever way it is asked for."""
    outcome = Outcome()
    if streaming:
        return "".join(await pieces(provider, request, outcome)), outcome
    return (await provider.complete(request, outcome)).text, outcome


async def pieces(provider: Provider, request: Request, outcome: Outcome) -> list[str]:
    """Return the streamed pieces."""
    async with aclosing(provider.stream(request, outcome)) as stream:
        return [piece async for piece in stream]

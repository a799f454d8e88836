"""The provider written out in `docs/guides/adding-a-provider.md` works as printed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from agents.providers import close
from agents.providers.base import Provider, Usage
from tests.provider.calls import KEY, answer, ask
from tests.provider.process import ROOT

pytest_plugins = ["tests.provider.fixtures"]

GUIDE = ROOT / "docs" / "guides" / "adding-a-provider.md"
USAGE = {"billed_units": {"input_tokens": 5}, "tokens": {"input_tokens": 70, "output_tokens": 9}}
TEXT = "Every requirement is testable."


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer as Cohere does."""
    asked: dict[str, Any] = await request.json()
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    end = {"finish_reason": "MAX_TOKENS" if asked["model"] == "short" else "COMPLETE", "usage": USAGE}
    if not asked["stream"]:
        content = [{"type": "text", "text": TEXT}]
        return web.json_response({"id": "1", "message": {"role": "assistant", "content": content}, **end})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    events: list[dict[str, Any]] = [{"type": "message-start", "id": "1"}]
    for word in re.findall(r"\S+\s*", TEXT):
        delta = {"message": {"content": {"text": word}}}
        events.append({"type": "content-delta", "index": 0, "delta": delta})
    if asked["model"] != "cut":
        events.append({"type": "message-end", "delta": end})
    for event in events:
        line = web.json_response(event).text
        await response.write(f"event: {event['type']}\ndata: {line}\n\n".encode())
    return response


@pytest.fixture
async def cohere() -> AsyncIterator[Provider]:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    module: dict[str, Any] = {"__name__": "agents.providers.cohere"}
    exec(compile(found[1], str(GUIDE), "exec"), module)
    app = web.Application()
    app.router.add_post("/v2/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield module["Cohere"]("cohere", f"http://127.0.0.1:{port}", KEY)
    await close()
    await runner.cleanup()


async def test_guide__stream_without_its_end__refused(cohere: Provider) -> None:
    with pytest.raises(Exception, match="broke off"):
        await answer(cohere, ask("cut"), streaming=True)


async def test_guide__example__answers(cohere: Provider, *, streaming: bool) -> None:
    text, outcome = await answer(
        cohere, ask("command-a", output_schema={"type": "object"}), streaming=streaming
    )
    assert text == TEXT
    assert outcome.usage == Usage(70, 9)
    assert not outcome.truncated


async def test_guide__example_out_of_tokens__truncated(cohere: Provider, *, streaming: bool) -> None:
    _, outcome = await answer(cohere, ask("short"), streaming=streaming)
    assert outcome.truncated

"""How a provider is called: cancellation, deadlines, retries, sessions (parts of promise P15)."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import aclosing

import pytest

from agents.providers import close
from agents.providers.base import Outcome, Provider
from agents.providers.openai import OpenAI
from qualisys.problems import Problem
from tests.provider.calls import KEY, answer, ask, pieces
from tests.provider.process import Process, start

pytest_plugins = ["tests.provider.fixtures"]


async def hung_up(upstream: Process, model: str) -> None:
    """Wait until the provider has seen its caller go, while this loop keeps running."""
    await asyncio.to_thread(upstream.wait, lambda found: found["aborted"] == 1, model)


def named(provider: Provider, script: str, *, streaming: bool = True) -> str:
    """Return a model name of this test case's own, so that its counters are too."""
    return f"{type(provider).__name__}-{streaming}@{script}"


@pytest.mark.parametrize(
    "script", ["hang=1", "stall=3", "interval=50,chunks=1000", "drip=20", "latency=60000"]
)
async def test_cancel__under_way__upstream_closed_within_a_second(
    provider: Provider, upstream: Process, script: str, *, streaming: bool
) -> None:
    """P15: stalled, slow and dripping upstreams are let go of at once."""
    if "interval" in script and not streaming:
        script = "latency=30000"
    model = named(provider, script, streaming=streaming)
    task = asyncio.create_task(answer(provider, ask(model), streaming=streaming))
    await asyncio.sleep(0.2)
    task.cancel()
    cancelled = time.time()
    with pytest.raises(asyncio.CancelledError):
        await task
    await hung_up(upstream, model)
    at = next(abort["at"] for abort in upstream.stats()["aborts"] if abort["model"] == model)
    assert at - cancelled < 1


async def test_deadline__of_the_caller__kept_and_charged_by_estimate(
    provider: Provider, upstream: Process, *, streaming: bool
) -> None:
    """P15: the answer to a stalled upstream comes at the deadline, not later."""
    model, outcome = named(provider, "stall=4,chunks=9", streaming=streaming), Outcome()
    call = pieces(provider, ask(model), outcome) if streaming else provider.complete(ask(model), outcome)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call, 0.3)
    assert time.monotonic() - started < 0.55
    assert outcome.usage.estimated
    assert outcome.usage.input_tokens > 0
    await hung_up(upstream, model)


async def test_stream__closed_by_its_reader__upstream_closed(provider: Provider, upstream: Process) -> None:
    model, outcome = named(provider, "chunks=1000,interval=10"), Outcome()
    async with aclosing(provider.stream(ask(model), outcome)) as stream:
        async for _ in stream:
            break
    await hung_up(upstream, model)
    assert outcome.usage.estimated
    assert not outcome.finished


async def test_stream__never_started__nothing_sent(provider: Provider, upstream: Process) -> None:
    model, outcome = named(provider, "chunks=2"), Outcome()
    await provider.stream(ask(model), outcome).aclose()
    assert upstream.stats(model)["requests"] == 0
    assert outcome.usage.input_tokens == 0


@pytest.mark.parametrize(
    "script", ["drop=1", "status=503,first=1", "status=529,first=1", "status=503,first=1,retry_after=1"]
)
async def test_retry__turned_away_once__second_attempt_answers(
    provider: Provider, upstream: Process, script: str, *, streaming: bool
) -> None:
    model = named(provider, script, streaming=streaming)
    text, _ = await answer(provider, ask(model), streaming=streaming)
    assert text.startswith("0000 ")
    assert upstream.stats(model)["requests"] == 2


@pytest.mark.parametrize(
    ("script", "reason"), [("drop=9", "unreachable"), ("status=503,first=9", "overloaded")]
)
async def test_retry__turned_away_again__gives_up_after_two(
    provider: Provider, upstream: Process, script: str, reason: str, *, streaming: bool
) -> None:
    model = named(provider, script, streaming=streaming)
    with pytest.raises(Problem) as caught:
        await answer(provider, ask(model), streaming=streaming)
    assert caught.value.extra == {"reason": reason, "provider": "acme"}
    assert upstream.stats(model)["requests"] == 2


@pytest.mark.parametrize(
    "script", ["status=500", "status=429", "status=400", "status=503,retry_after=20", "cut=1", "garbage=1"]
)
async def test_retry__work_may_be_done_or_no_use__none(
    provider: Provider, upstream: Process, script: str, *, streaming: bool
) -> None:
    model = named(provider, script, streaming=streaming)
    with pytest.raises(Problem):
        await answer(provider, ask(model), streaming=streaming)
    assert upstream.stats(model)["requests"] == 1


async def test_connection__provider_restarted_meanwhile__call_succeeds(*, streaming: bool) -> None:
    with start() as first:
        provider = OpenAI("acme", first.url, KEY)
        await answer(provider, ask("m"), streaming=streaming)
        port = int(first.url.rpartition(":")[2])
    with start(port):
        text, _ = await answer(provider, ask("m@chunks=1"), streaming=streaming)
        assert text == "0000 "
    await close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_session__loop_ended_without_closing__next_one_works(
    upstream: Process, caplog: pytest.LogCaptureFixture
) -> None:
    provider = OpenAI("acme", upstream.url, KEY)
    for _ in range(3):
        text, _outcome = asyncio.run(answer(provider, ask("loops@chunks=1"), streaming=True))
        assert text == "0000 "
    asyncio.run(answer_and_close(provider))
    gc.collect()
    assert "Unclosed" not in caplog.text


async def answer_and_close(provider: Provider) -> None:
    await answer(provider, ask("loops@chunks=1"), streaming=False)
    await close()


async def test_calls__fifty_at_once__each_gets_its_own_answer(provider: Provider, *, streaming: bool) -> None:
    asked = [f"question {number}" for number in range(50)]
    requests = [ask("crowd@echo=user,interval=1", text) for text in asked]
    found = await asyncio.gather(*(answer(provider, request, streaming=streaming) for request in requests))
    assert [text for text, _ in found] == asked

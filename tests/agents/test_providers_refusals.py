"""Everything a provider can do wrong becomes a problem that says so, and never says a key."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import orjson
import pytest

from agents.providers import session
from agents.providers.anthropic import Anthropic
from agents.providers.base import Outcome, Provider
from agents.providers.openai import OpenAI
from qualisys.problems import Problem
from tests.provider.calls import KEY, SYSTEM, answer, ask, pieces
from tests.provider.process import Process

pytest_plugins = ["tests.provider.fixtures"]

MEGABYTE = 1_000_000

#: script, reason: what happens before an answer, and what happens to one.
REFUSALS = [
    ("status=500", "overloaded"),
    ("status=503,retry_after=9", "overloaded"),
    ("status=529,retry_after=9", "overloaded"),
    ("status=408", "overloaded"),
    ("status=404", "model_not_found"),
    ("status=400", "refused"),
    ("status=302", "refused"),
    ("fault=2", "overloaded"),
    ("fault=2,kind=not_found_error", "model_not_found"),
    ("fault=2,kind=something_new", "bad_answer"),
    ("garbage=2", "bad_answer"),
    ("missing=1", "bad_answer"),
    ("cut=2", "bad_answer"),
]


async def refused(provider: Provider, request: Any, *, streaming: bool) -> tuple[Problem, Outcome]:
    outcome = Outcome()
    call = pieces(provider, request, outcome) if streaming else provider.complete(request, outcome)
    with pytest.raises(Problem) as caught:
        await call
    return caught.value, outcome


@pytest.mark.parametrize(("script", "reason"), REFUSALS)
async def test_answer__failing_provider__provider_error(
    provider: Provider, script: str, reason: str, *, streaming: bool
) -> None:
    problem, _ = await refused(provider, ask(f"fails@{script}"), streaming=streaming)
    assert problem.code == "provider_error"
    assert problem.extra == {"reason": reason, "provider": "acme"}


async def test_answer__overloaded_with_time__retry_after_passed_on(
    provider: Provider, *, streaming: bool
) -> None:
    problem, _ = await refused(provider, ask("busy@status=529,retry_after=9"), streaming=streaming)
    assert problem.headers == {"Retry-After": "9"}


@pytest.mark.parametrize(("given", "passed_on"), [("7", "7"), ("0.2", "1"), ("", "5"), ("soon", "5")])
async def test_answer__rate_limited__says_whose_limit_and_how_long(
    provider: Provider, given: str, passed_on: str, *, streaming: bool
) -> None:
    problem, _ = await refused(provider, ask(f"limit@status=429,retry_after={given}"), streaming=streaming)
    assert problem.code == "rate_limited"
    assert problem.headers == {"Retry-After": passed_on}
    assert problem.extra == {"scope": "provider", "provider": "acme"}


@pytest.mark.parametrize("status", [401, 403])
async def test_answer__key_refused__not_configured(
    provider: Provider, status: int, *, streaming: bool
) -> None:
    problem, _ = await refused(provider, ask(f"key@status={status}"), streaming=streaming)
    assert problem.code == "provider_not_configured"
    assert "key was refused" in problem.detail


@pytest.mark.parametrize("script", ["status=400,kind=context_length_exceeded", "status=413"])
async def test_answer__context_too_long__input_is_at_fault(
    provider: Provider, script: str, *, streaming: bool
) -> None:
    problem, _ = await refused(provider, ask(f"context@{script}"), streaming=streaming)
    assert problem.code == "validation_error"
    assert [(e["field"], e["rule"]) for e in problem.errors] == [("input", "context_too_long")]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_answer__error_repeats_the_key__never_shown_nor_logged(
    provider: Provider, caplog: pytest.LogCaptureFixture, status: int, *, streaming: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    problem, _ = await refused(provider, ask(f"leak@says=key,status={status}"), streaming=streaming)
    shown = orjson.dumps(problem.document()).decode() + repr(problem) + str(problem) + repr(provider)
    assert KEY not in shown + caplog.text
    assert "4f1d9b7a" not in shown + caplog.text


async def test_answer__error_repeats_the_prompt__not_passed_on(
    provider: Provider, *, streaming: bool
) -> None:
    problem, _ = await refused(provider, ask("leak@says=prompt,status=400"), streaming=streaming)
    assert "CANARY" not in orjson.dumps(problem.document()).decode()


async def test_answer__turned_away__nothing_charged(provider: Provider, *, streaming: bool) -> None:
    _, outcome = await refused(provider, ask("away@status=500"), streaming=streaming)
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (0, 0)


async def test_answer__cut_off__charged_by_estimate(provider: Provider, *, streaming: bool) -> None:
    _, outcome = await refused(provider, ask("cut@chunks=50,cut=40"), streaming=streaming)
    assert outcome.usage.estimated
    assert outcome.usage.input_tokens > 0
    assert outcome.usage.output_tokens >= 200 / 3


async def test_stream__fails_after_some_text__text_comes_first(provider: Provider) -> None:
    stream = provider.stream(ask("late@chunks=9,fault=4,batch=0"), Outcome())
    assert await anext(stream) == "0000 0001 0002 0003 "
    with pytest.raises(Problem):
        await anext(stream)


async def test_stream__ends_without_saying_so__bad_answer(provider: Provider) -> None:
    problem, outcome = await refused(provider, ask("silent@chunks=3,nofinish=1"), streaming=True)
    assert problem.extra is not None
    assert problem.extra["reason"] == "bad_answer"
    assert not outcome.finished


async def test_complete__no_choices__bad_answer(provider: Provider) -> None:
    problem, _ = await refused(provider, ask("none@empty=1"), streaming=False)
    assert problem.extra is not None
    assert problem.extra["reason"] == "bad_answer"


@pytest.mark.parametrize("script", [f"chunks=9,size={MEGABYTE}", f"chunks=1,size={2 * MEGABYTE}"])
async def test_stream__answer_or_line_too_long__bad_answer(
    provider: Provider, upstream: Process, script: str
) -> None:
    model = f"big-{provider.__class__.__name__}@{script}"
    problem, _ = await refused(provider, ask(model), streaming=True)
    assert problem.extra is not None
    assert problem.extra["reason"] == "bad_answer"
    assert "too long" in problem.detail


async def test_complete__answer_too_long__bad_answer(provider: Provider) -> None:
    problem, _ = await refused(provider, ask(f"big@chunks=9,size={MEGABYTE}"), streaming=False)
    assert "too long" in problem.detail


async def test_answer__lone_surrogate_in_the_input__validation_error(
    provider: Provider, *, streaming: bool
) -> None:
    problem, outcome = await refused(provider, ask("m", "broken \ud800"), streaming=streaming)
    assert problem.code == "validation_error"
    assert not outcome.sent


async def test_answer__nobody_listens__unreachable_and_nothing_charged(*, streaming: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    problem, outcome = await refused(OpenAI("acme", url), ask("m"), streaming=streaming)
    assert problem.extra == {"reason": "unreachable", "provider": "acme"}
    assert outcome.usage.input_tokens == 0
    await session.close()


async def test_answer__connecting_hangs__unreachable(
    monkeypatch: pytest.MonkeyPatch, *, streaming: bool
) -> None:
    monkeypatch.setattr(session, "CONNECT_TIMEOUT", 0.3)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        problem, _ = await refused(OpenAI("acme", url), ask("m"), streaming=streaming)
    assert "connecting took too long" in problem.detail
    await session.close()


async def test_answer__not_http__bad_answer(*, streaming: bool) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    problem, _ = await refused(OpenAI("acme", url), ask("m"), streaming=streaming)
    assert problem.extra == {"reason": "bad_answer", "provider": "acme"}
    await session.close()
    server.close()


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk-a\nb"])
def test_provider__impossible_key__not_configured(key: str) -> None:
    with pytest.raises(Problem) as caught:
        OpenAI("acme", "http://h", key)
    assert caught.value.code == "provider_not_configured"
    assert key not in str(caught.value)


@pytest.mark.parametrize("base", ["ftp://h", "h:80/v1", "http://", "http://[::bad"])
@pytest.mark.parametrize("kind", [OpenAI, Anthropic])
def test_provider__impossible_base_url__not_configured(kind: Any, base: str) -> None:
    with pytest.raises(Problem) as caught:
        kind("acme", base)
    assert caught.value.code == "provider_not_configured"


def test_system_prompt__is_what_the_leak_tests_look_for() -> None:
    assert "CANARY" in SYSTEM


async def test_answer__model_name_in_the_error__survives_masking(
    provider: Provider, *, streaming: bool
) -> None:
    model = "organisation-with-a-long-name/model-with-a-long-name-70b-instruct@status=418"
    problem, _ = await refused(provider, ask(model), streaming=streaming)
    assert "model-with-a-long-name-70b-instruct" in problem.detail
    assert len(problem.detail) < 500


async def test_answer__after_a_failure__connection_still_works(
    provider: Provider, *, streaming: bool
) -> None:
    await refused(provider, ask("bad@garbage=1"), streaming=streaming)
    text, _ = await answer(provider, ask("good@chunks=1"), streaming=streaming)
    assert text == "0000 "

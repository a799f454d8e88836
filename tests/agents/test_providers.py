"""Answers of providers: text, usage, truncation, and what is asked of them, over real HTTP."""

from __future__ import annotations

import time

import pytest

from agents.providers.anthropic import Anthropic
from agents.providers.base import Outcome, Provider, Usage, estimate
from agents.providers.openai import OpenAI
from tests.provider.calls import SYSTEM, answer, ask, pieces
from tests.provider.process import Process

pytest_plugins = ["tests.provider.fixtures"]

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


async def test_answer__plain__text_and_reported_usage(provider: Provider, *, streaming: bool) -> None:
    text, outcome = await answer(provider, ask("plain@chunks=3,ptok=40,ctok=7"), streaming=streaming)
    assert text == "0000 0001 0002 "
    assert outcome.usage == Usage(40, 7, estimated=False)
    assert outcome.finished
    assert not outcome.truncated


async def test_answer__max_tokens_reached__truncated(provider: Provider, *, streaming: bool) -> None:
    text, outcome = await answer(provider, ask("long@chunks=2,length=1"), streaming=streaming)
    assert text == "0000 0001 "
    assert outcome.truncated


async def test_answer__no_usage_reported__conservative_estimate(
    provider: Provider, *, streaming: bool
) -> None:
    request = ask("free@chunks=4,nousage=1", "ü" * 30)
    _, outcome = await answer(provider, request, streaming=streaming)
    sent = len(SYSTEM.encode()) + 60
    assert outcome.usage == Usage(-(-sent // 3), 7, estimated=True)


async def test_answer__text_in_many_scripts__unchanged(
    provider: Provider, upstream: Process, *, streaming: bool
) -> None:
    said = 'Prüfung "ok" \\ 東京 👩‍💻\n\tend'
    upstream.control(answers={"scripts": said})
    text, _ = await answer(provider, ask("scripts@named=scripts,chunks=30"), streaming=streaming)
    assert text == said


async def test_answer__nul_character__replaced(
    provider: Provider, upstream: Process, *, streaming: bool
) -> None:
    upstream.control(answers={"nul": "a\0b"})
    text, _ = await answer(provider, ask("nul@named=nul"), streaming=streaming)
    assert text == "a\ufffdb"


async def test_answer__messages__reach_the_model(provider: Provider, *, streaming: bool) -> None:
    text, _ = await answer(provider, ask("echo@echo=all", "Well?"), streaming=streaming)
    assert text == f"system: {SYSTEM}\nuser: Well?"


async def test_answer__input_beyond_a_megabyte__sent_whole(provider: Provider, *, streaming: bool) -> None:
    long = "requirement " * 100_000
    text, _ = await answer(provider, ask("big@echo=user", long), streaming=streaming)
    assert text == long


async def test_stream__several_events_in_one_read__one_piece(provider: Provider) -> None:
    found = await pieces(provider, ask("batch@chunks=200,batch=0"), Outcome())
    assert len(found) <= 3
    assert "".join(found).split() == [f"{n:04d}" for n in range(200)]


async def test_stream__events_apart__pieces_as_they_come(provider: Provider) -> None:
    found = await pieces(provider, ask("apart@chunks=5,interval=20"), Outcome())
    assert found == ["0000 ", "0001 ", "0002 ", "0003 ", "0004 "]


async def test_stream__every_byte_on_its_own__same_text(provider: Provider) -> None:
    found = await pieces(provider, ask("drip@chunks=2,drip=0.01"), Outcome())
    assert "".join(found) == "0000 0001 "


async def test_stream__comments_and_unknown_events__ignored(provider: Provider) -> None:
    text, outcome = await answer(provider, ask("noise@chunks=3,noise=1"), streaming=True)
    assert text == "0000 0001 0002 "
    assert not outcome.usage.estimated


async def test_stream__no_end_marker__reason_of_stopping_is_enough(provider: Provider) -> None:
    _, outcome = await answer(provider, ask("nodone@chunks=1,nodone=1"), streaming=True)
    assert outcome.finished


async def test_stream__connection_left_open_after_end__does_not_wait(openai: OpenAI) -> None:
    started = time.monotonic()
    text, _ = await answer(openai, ask("linger@chunks=1,linger=1"), streaming=True)
    assert text == "0000 "
    assert time.monotonic() - started < 1


async def test_stream__finished__connection_reused(provider: Provider, upstream: Process) -> None:
    for _ in range(3):
        await answer(provider, ask("reuse@chunks=2"), streaming=True)
    assert upstream.stats("reuse@chunks=2")["aborted"] == 0


async def test_openai__schema__asked_for_as_response_format(openai: OpenAI, upstream: Process) -> None:
    request = ask("schema-o", output_schema=SCHEMA, schema_name="story set")
    await openai.complete(request)
    last = upstream.last("schema-o")
    wanted = {"name": "story_set", "schema": SCHEMA, "strict": False}
    assert last["body"]["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert last["path"] == "/v1/chat/completions"
    assert not last["auth"]


async def test_openai__stream__asks_for_usage(openai: OpenAI, upstream: Process) -> None:
    await answer(openai, ask("usage-o"), streaming=True)
    assert upstream.last("usage-o")["body"]["stream_options"] == {"include_usage": True}


async def test_anthropic__schema__described_in_the_system_prompt(
    anthropic: Anthropic, upstream: Process
) -> None:
    await anthropic.complete(ask("schema-a", output_schema=SCHEMA))
    last = upstream.last("schema-a")
    assert last["body"]["system"].startswith(SYSTEM)
    assert last["body"]["system"].endswith('"required":["score"]}')
    assert [message["role"] for message in last["body"]["messages"]] == ["user"]
    assert {"x-api-key", "anthropic-version"} <= set(last["headers"])


@pytest.mark.parametrize("model", ["o1", "o3-mini", "gpt-5", "gpt-5.1-codex"])
def test_openai__own_models_with_the_new_limit__max_completion_tokens(model: str) -> None:
    body = OpenAI("openai").body(ask(model), stream=False)
    assert (body.get("max_completion_tokens"), body.get("max_tokens")) == (100, None)


@pytest.mark.parametrize(("base", "model"), [("", "gpt-4o"), ("http://vllm:8000/v1", "gpt-5")])
def test_openai__others__max_tokens(base: str, model: str) -> None:
    body = OpenAI("openai", base).body(ask(model), stream=False)
    assert (body.get("max_completion_tokens"), body.get("max_tokens")) == (None, 100)


@pytest.mark.parametrize("base", ["http://h:1", "http://h:1/", "http://h:1/v1", " http://h:1/v1/ "])
def test_base_url__with_and_without_version__same_endpoint(base: str) -> None:
    assert str(OpenAI("x", base).upstream.url) == "http://h:1/v1/chat/completions"
    assert str(Anthropic("x", base).upstream.url) == "http://h:1/v1/messages"


def test_estimate__bytes_and_schema__rounded_up() -> None:
    assert estimate(ask("m"), 4) == Usage(-(-len(SYSTEM + "Is this testable?") // 3), 2, estimated=True)
    assert estimate(ask("m", output_schema=SCHEMA)).input_tokens > estimate(ask("m")).input_tokens

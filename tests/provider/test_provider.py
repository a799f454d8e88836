"""The test provider does what tests rely on."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from agents.providers import close
from agents.providers.openai import OpenAI
from tests.provider.calls import answer, ask
from tests.provider.process import Process, start

pytest_plugins = ["tests.provider.fixtures"]


async def said(upstream: Process, model: str, text: str = "Is this testable?") -> str:
    try:
        return (await answer(OpenAI("acme", upstream.url), ask(model, text), streaming=True))[0]
    finally:
        await close()


def test_model__unknown_setting__refused(upstream: Process) -> None:
    body = json.dumps({"model": "m@chunk=1", "messages": []}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{upstream.url}/v1/chat/completions", body)
    assert caught.value.code == 400
    caught.value.close()


async def test_model__answer_in_its_name__given(upstream: Process) -> None:
    wanted = '{"score": 31, "gaps": ["none"]}'
    coded = base64.urlsafe_b64encode(wanted.encode()).decode().rstrip("=")
    assert await said(upstream, f"coded@answer={coded}") == wanted


async def test_model__invalid_first__valid_in_the_second_call_of_the_conversation(upstream: Process) -> None:
    upstream.control(answers={"valid": '{"score": 31}'})
    model = "repair@named=valid,invalid=1"
    assert not (await said(upstream, model, "one")).startswith("{")
    assert not (await said(upstream, model, "two")).startswith("{")
    assert await said(upstream, model, "one") == '{"score": 31}'


async def test_stats__per_model__counted(upstream: Process) -> None:
    await said(upstream, "counted@chunks=1")
    found = upstream.stats("counted@chunks=1")
    assert (found["requests"], found["streams"], found["completed"], found["inflight"]) == (1, 1, 1, 0)
    assert upstream.last("counted@chunks=1")["body"]["max_tokens"] == 100


async def test_control__defaults__changed_and_reset() -> None:
    with start() as own:
        own.control(chunks=2, size=3)
        assert await said(own, "m") == "00 01 "
        own.control(reset=True)
        assert own.stats()["requests"] == 0
        assert len(await said(own, "m")) == 100


def test_process__its_starter_is_gone__ends() -> None:
    process = start()
    child: subprocess.Popen[bytes] = process._popen
    assert child.stdin is not None
    child.stdin.close()
    deadline = time.monotonic() + 5
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.returncode == 0
    process.stop()

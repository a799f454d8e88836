"""Which provider answers for a name, with which configuration."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from agents import providers
from agents.providers.anthropic import Anthropic
from agents.providers.openai import OpenAI
from qualisys.problems import Problem
from tests.provider.calls import answer, ask
from tests.provider.process import Process

pytest_plugins = ["tests.provider.fixtures"]


@pytest.fixture(autouse=True)
def none_configured(settings: Settings) -> None:
    settings.PROVIDERS = {}
    settings.DEMO_MODEL_URL = ""


@pytest.mark.parametrize("name", ["openai", "anthropic", "vllm", "unheard-of", ""])
def test_get__not_set_up__refused(name: str) -> None:
    with pytest.raises(Problem) as caught:
        providers.get(name)
    assert caught.value.code == "provider_not_configured"


def test_get__unknown_name_with_configuration_and_demo__refused(settings: Settings) -> None:
    settings.PROVIDERS = {"unheard-of": {"base_url": "http://h", "api_key": "k"}}
    settings.DEMO_MODEL_URL = "http://127.0.0.1:1/v1"
    with pytest.raises(Problem):
        providers.get("unheard-of")
    assert not providers.is_demo("unheard-of")
    assert "unheard-of" not in providers.configured()


def test_get__configured__speaks_its_protocol(settings: Settings) -> None:
    settings.PROVIDERS = {
        "anthropic": {"base_url": "", "api_key": "k"},
        "vllm": {"base_url": "http://h", "api_key": ""},
    }
    assert isinstance(providers.get("anthropic"), Anthropic)
    assert isinstance(providers.get("vllm"), OpenAI)
    assert providers.configured() == ["anthropic", "vllm"]
    assert providers.known() == ["anthropic", "openai", "vllm"]
    assert providers.get("vllm") is providers.get("vllm")
    assert providers.get("vllm").name == "vllm"


async def test_get__key_rotated__next_call_uses_the_new_one(settings: Settings, upstream: Process) -> None:
    settings.PROVIDERS = {"openai": {"base_url": upstream.url, "api_key": ""}}
    await answer(providers.get("openai"), ask("rotated"), streaming=False)
    assert not upstream.last("rotated")["auth"]
    settings.PROVIDERS = {"openai": {"base_url": upstream.url, "api_key": "k"}}
    await answer(providers.get("openai"), ask("rotated"), streaming=False)
    assert upstream.last("rotated")["auth"]
    await providers.close()


async def test_demo__provider_without_configuration__answers(settings: Settings, upstream: Process) -> None:
    settings.DEMO_MODEL_URL = f"{upstream.url}/v1"
    settings.PROVIDERS = {"openai": {"base_url": "http://h", "api_key": "k"}}
    text, _ = await answer(providers.get("anthropic"), ask("demo@chunks=1"), streaming=True)
    assert text == "0000 "
    assert providers.get("anthropic").name == "anthropic"
    assert [providers.is_demo(name) for name in ("anthropic", "openai", "vllm")] == [True, False, True]
    await providers.close()

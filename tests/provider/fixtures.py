"""Fixtures around the test provider: `pytest_plugins = ["tests.provider.fixtures"]`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from agents.providers import close
from agents.providers.anthropic import Anthropic
from agents.providers.base import Provider
from agents.providers.openai import OpenAI
from tests.provider.calls import KEY
from tests.provider.process import Process, start


@pytest.fixture(scope="session")
def upstream() -> Iterator[Process]:
    """A running test provider; tests keep apart by using model names of their own."""
    with start() as process:
        yield process


@pytest.fixture(params=[OpenAI, Anthropic], ids=["openai", "anthropic"])
async def provider(request: pytest.FixtureRequest, upstream: Process) -> AsyncIterator[Provider]:
    """Each of the two protocols, talking to the test provider."""
    yield request.param("acme", f"{upstream.url}/v1", KEY)
    await close()


@pytest.fixture
async def openai(upstream: Process) -> AsyncIterator[OpenAI]:
    """OpenAI's protocol, without a key."""
    yield OpenAI("acme", upstream.url)
    await close()


@pytest.fixture
async def anthropic(upstream: Process) -> AsyncIterator[Anthropic]:
    """Anthropic's protocol."""
    yield Anthropic("acme", upstream.url, KEY)
    await close()


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def streaming(request: pytest.FixtureRequest) -> bool:
    """Whether the answer is asked for in one piece or as a stream."""
    return bool(request.param)

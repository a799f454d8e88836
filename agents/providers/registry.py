"""Which providers exist, and which can be used here.

Configuration is read from Django's settings at each call, so a key that is rotated while running is used at
once: `PROVIDERS` maps a name to `{"base_url", "api_key"}`, `DEMO_MODEL_URL` is the demo model's base URL, ""
when it is off.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from agents.providers import errors
from agents.providers.anthropic import Anthropic
from agents.providers.base import Provider
from agents.providers.openai import OpenAI

#: name -> what builds it from name, base URL and key. A new provider is one line here.
PROVIDERS: dict[str, Callable[[str, str, str], Provider]] = {
    "anthropic": Anthropic,
    "openai": OpenAI,
    "vllm": OpenAI,
}

#: Ready-made providers, with the configuration they were made from.
_built: dict[str, tuple[Callable[[str, str, str], Provider], str, str, Provider]] = {}


def get(name: str) -> Provider:
    """Return the provider; `provider_not_configured` when it is unknown or has neither a key nor the demo."""
    build = PROVIDERS.get(name)
    if build is None:
        raise errors.not_configured(name, f"There is no model provider called {name}.")
    config = settings.PROVIDERS.get(name)
    if config is not None:
        base_url, key = config.get("base_url") or "", config.get("api_key") or ""
    elif settings.DEMO_MODEL_URL:
        build, base_url, key = OpenAI, settings.DEMO_MODEL_URL, ""
    else:
        raise errors.not_configured(name, f"The model provider {name} is not set up on this installation.")
    made = _built.get(name)
    if made is None or made[:3] != (build, base_url, key):
        made = _built[name] = (build, base_url, key, build(name, base_url, key))
    return made[3]


def known() -> list[str]:
    """Return the names of all providers there is code for."""
    return sorted(PROVIDERS)


def configured() -> list[str]:
    """Return the names of the providers that have a configuration of their own."""
    return sorted(set(PROVIDERS) & set(settings.PROVIDERS))


def usable() -> list[str]:
    """Return the names of the providers that would answer here, the demo model included."""
    return [name for name in known() if name in settings.PROVIDERS or settings.DEMO_MODEL_URL]


def is_demo(name: str) -> bool:
    """Tell whether the demo model answers for this provider."""
    return bool(settings.DEMO_MODEL_URL) and name in PROVIDERS and name not in settings.PROVIDERS

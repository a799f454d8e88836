"""Override over version over definition: pure, so that a draft is merged exactly as what is saved.

The prompt is built in layers, and joining their texts gives what the model is told. Locked segments of the base
survive every mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

import orjson

from agents import gates, segments
from agents.gates import Gate
from agents.registry import Agent
from tenants.overrides.wishes import Consent, Mode, Wishes
from versions.rollout import Reason, Version

Kind = Literal["base", "locked", "tenant", "template"]

HEADING = "\n\n## Client-Specific Instructions\n\n"
TEMPLATE_HEADING = "\n\n## Output Template\n\nAnswer in the shape of this example:\n\n"


@dataclass(frozen=True, slots=True)
class Override:
    """A tenant's wishes for one agent as values; `revision` 0 is the empty one, which changes nothing."""

    wishes: Wishes = field(default_factory=Wishes)
    revision: int = 0
    base_version: str = ""
    base_hash: str = ""

    @property
    def enabled(self) -> bool:
        """Whether the tenant lets its members use the agent."""
        return self.wishes.enabled

    @property
    def customized(self) -> bool:
        """Whether prompt, model or limits differ, so that failures count for this tenant alone."""
        wishes = self.wishes
        return any(
            (
                wishes.custom_prompt,
                wishes.custom_output_template,
                wishes.llm_provider_override,
                wishes.llm_model_override,
                wishes.max_tokens_override,
            )
        )


NO_OVERRIDE = Override()


@dataclass(frozen=True, slots=True)
class Layer:
    """A stretch of the effective prompt and whose it is."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Effective:
    """The configuration of one run. `provenance` says of each field where it came from."""

    agent: Agent
    version: Version
    reason: Reason
    layers: tuple[Layer, ...]
    system_prompt: str
    output_schema: Mapping[str, Any]
    output_template: Mapping[str, Any] | None
    provider: str
    model: str
    #: Provider and model of what may answer instead, in order, as agent and tenant allow it.
    fallbacks: tuple[tuple[str, str], ...]
    max_tokens: int
    timeout_seconds: int
    gates: tuple[Mapping[str, Any], ...]
    tags: tuple[str, ...]
    customized: bool
    config_revision: int
    prompt_hash: str
    provenance: Mapping[str, str]


def merge(
    agent: Agent, version: Version, reason: Reason, override: Override, *, may_replace: bool
) -> Effective:
    """Return what a run is told. `may_replace` is whether the tenant's tier admits replacing the prompt."""
    wishes = override.wishes
    layers = tuple(_layers(version.system_prompt, wishes, may_replace=may_replace))
    prompt = "".join(layer.text for layer in layers)
    cap = wishes.max_tokens_override
    provider = wishes.llm_provider_override or agent.llm_provider
    model = wishes.llm_model_override or agent.llm_model
    return Effective(
        agent=agent,
        version=version,
        reason=reason,
        layers=layers,
        system_prompt=prompt,
        output_schema=version.output_schema,
        output_template=wishes.custom_output_template,
        provider=provider,
        model=model,
        fallbacks=_fallbacks(agent, wishes.fallbacks, provider, model),
        max_tokens=min(agent.max_tokens_per_invocation, cap or agent.max_tokens_per_invocation),
        timeout_seconds=agent.timeout_seconds,
        gates=_gates(agent.approval_gates, wishes.gates),
        tags=tuple(dict.fromkeys([*agent.tags, *wishes.custom_tags])),
        customized=override.customized,
        config_revision=override.revision,
        prompt_hash=sha256(prompt.encode()).hexdigest(),
        provenance=_provenance(agent, wishes, reason),
    )


def _fallbacks(agent: Agent, consent: Consent, provider: str, model: str) -> tuple[tuple[str, str], ...]:
    """Return what may stand in for `provider` and `model`; without a word of the tenant, its provider stays."""
    return tuple(
        each
        for each in agent.fallbacks
        if each != (provider, model)
        and (consent == "any" or (consent == "same_provider" and each[0] == provider))
    )


def _provenance(agent: Agent, wishes: Wishes, reason: Reason) -> dict[str, str]:
    def of(wish: object, otherwise: str = "default") -> str:
        return "tenant" if wish else otherwise

    cap = wishes.max_tokens_override
    return {
        "version": "pin" if reason == "pin" else "version",
        "system_prompt": of(wishes.custom_prompt or wishes.custom_output_template, "version"),
        "output_schema": "version",
        "output_template": of(wishes.custom_output_template),
        "llm_provider": of(wishes.llm_provider_override),
        "llm_model": of(wishes.llm_model_override),
        "fallbacks": of(wishes.fallbacks != "same_provider"),
        "max_tokens": of(cap and cap < agent.max_tokens_per_invocation),
        "timeout_seconds": "default",
        "approval_gates": of(wishes.gates),
        "tags": of(wishes.custom_tags),
    }


def _gates(base: Sequence[Mapping[str, Any]], wanted: Sequence[Gate]) -> tuple[Mapping[str, Any], ...]:
    """Return the merged gates; the platform's own hold where it has tightened them past the tenant's since."""
    found: tuple[Mapping[str, Any], ...] = tuple(base)
    for gate in wanted:
        try:
            found = gates.merge(found, [gate])
        except ValueError:
            continue
    return found


def _layers(base: str, wishes: Wishes, *, may_replace: bool) -> Iterator[Layer]:
    custom, mode = wishes.custom_prompt, wishes.prompt_override_mode
    parts = [Layer("locked" if each.locked else "base", each.text) for each in _segments(base)]
    if custom is None:
        yield from parts
    else:
        yield from _with_custom(parts, custom, mode if may_replace or mode != "replace" else "append")
    if wishes.custom_output_template:
        shown = orjson.dumps(wishes.custom_output_template, option=orjson.OPT_INDENT_2).decode()
        yield Layer("template", f"{TEMPLATE_HEADING}```json\n{shown}\n```\n")


def _with_custom(parts: list[Layer], custom: str, mode: Mode) -> Iterator[Layer]:
    if mode == "append":
        yield from parts
        yield Layer("tenant", f"{HEADING}{custom}")
    elif mode == "prepend":
        yield Layer("tenant", f"{custom}\n\n")
        yield from parts
    else:
        for part in parts:
            if part.kind == "locked":
                yield Layer("locked", part.text.rstrip() + "\n\n")
        yield Layer("tenant", custom)


@lru_cache(maxsize=512)
def _segments(base: str) -> tuple[segments.Segment, ...]:
    try:
        return segments.split(base)
    except ValueError:
        # Written before marks meant anything: it is told as it stands.
        return (segments.Segment(base, locked=False),)

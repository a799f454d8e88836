"""What the guard needs to know of a run before it begins, worked out once per configuration.

A plan is fixed as long as configuration, limits, prices and stops are; a run adds only how much it may use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from agents.limits.settle import Settled

#: Seconds a lease outlives the run's deadline.
GRACE = 30
#: Bytes that each message may add to what a model reads beside its text.
PER_MESSAGE = 16


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, which is millionths of a dollar per token; `known` is False for a guess."""

    input: float
    output: float
    max_output_tokens: int | None = None
    known: bool = True

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Return what these tokens cost, in millionths of a dollar, rounded up."""
        return -int(-(input_tokens * self.input + output_tokens * self.output) // 1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer, and what it costs."""

    provider: str
    model: str
    price: Price


@dataclass(frozen=True)
class Plan:
    """Limits, candidates and circuits of an agent's runs in one tenant.

    `customized`: failures count for this tenant alone. `shadow`: the guard decides and records, but refuses nothing.
    """

    tenant_id: UUID
    agent_id: str
    candidates: Sequence[Candidate]
    limits: Settled
    max_tokens: int
    timeout_seconds: int
    #: Bytes of what every run brings: the instructions and the schema.
    base_bytes: int
    customized: bool
    shadow: bool

    @property
    def seconds(self) -> int:
        """How long a lease holds."""
        return self.timeout_seconds + GRACE

    @cached_property
    def encoded(self) -> bytes:
        """The plan as the guard's scripts read it; -1 stands for no limit."""
        agent, tenant, conduct = self.limits.agent, self.limits.tenant, self.limits.conduct
        own = conduct if self.customized else self.limits.unchanged
        rules = {"own": _rules(own), "model": _rules(self.limits.shared)}
        return orjson.dumps(
            {
                "tenant": str(self.tenant_id),
                "agent": self.agent_id,
                "shadow": self.shadow,
                "seconds": self.seconds,
                "candidates": [self.circuits_of(each) for each in self.candidates],
                "rules": orjson.dumps(rules).decode(),
                "rates": [_of(agent, "runs_per_minute"), _of(tenant, "runs_per_minute")],
                "at_once": [_of(agent, "concurrent_runs"), _of(tenant, "concurrent_runs")],
                "budgets": [
                    _of(agent, "daily_tokens"),
                    _of(agent, "monthly_tokens"),
                    _of(tenant, "daily_tokens"),
                    _of(tenant, "monthly_tokens"),
                    _micros(agent, "daily_cost"),
                    _micros(agent, "monthly_cost"),
                    _micros(tenant, "daily_cost"),
                    _micros(tenant, "monthly_cost"),
                ],
            }
        )

    def circuits_of(self, candidate: Candidate) -> list[str]:
        """Return a candidate's own circuit, its model's ('' where failures stay with this tenant) and its backoff."""
        of = f"{candidate.provider}|{candidate.model}"
        whose = f"{self.agent_id}@{self.tenant_id}" if self.customized else self.agent_id
        return [f"circuit:{whose}|{of}", "" if self.customized else f"circuit:*|{of}", f"backoff:{of}"]

    def grant(self, input_bytes: int, *, messages: int = 2) -> Grant:
        """Return what a run may use whose messages have that many bytes of UTF-8, the instructions apart.

        No tokenizer can be had for every model, but none makes more tokens of a text than it has bytes: input and
        answer together stay within what is reserved, which is the agent's cap. A long input leaves the answer half
        of the cap and is reserved on top.
        """
        bound = self.base_bytes + input_bytes + PER_MESSAGE * messages
        output = max(self.max_tokens - bound, self.max_tokens // 2, 1)
        known = [each.price.max_output_tokens for each in self.candidates if each.price.max_output_tokens]
        if known:
            output = min(output, *known)
        tokens = max(self.max_tokens, bound + output)
        cost = max(each.price.cost(tokens - output, output) for each in self.candidates)
        return Grant(tokens, output, cost)


class Grant(NamedTuple):
    """What one run may use: tokens altogether, tokens of the answer, and millionths of a dollar."""

    tokens: int
    output_tokens: int
    cost_micros: int


def _rules(conduct: Mapping[str, Any]) -> dict[str, float]:
    """Return when a circuit opens as the scripts read it: times in milliseconds."""
    return {
        "failures": conduct["breaker_failures"],
        "window": conduct["breaker_window_seconds"] * 1000,
        "cooldown": conduct["breaker_cooldown_seconds"] * 1000,
        "share": conduct["breaker_share"],
    }


def _of(limits: Mapping[str, object], name: str) -> int:
    value = limits.get(name)
    assert value is None or isinstance(value, int)
    return -1 if value is None else value


def _micros(limits: Mapping[str, object], name: str) -> int:
    value = limits.get(name)
    return -1 if value is None else int(float(str(value)) * 1_000_000)

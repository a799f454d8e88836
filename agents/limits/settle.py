"""From rows to the limits of one agent in one tenant: pure, so that pages show what the guard enforces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agents.limits.numbers import (
    BREAKER,
    CONDUCT,
    CONDUCT_DEFAULTS,
    DAILY_RUNS,
    GUARD_PERCENTAGE,
    NOTHING,
    SPENDING,
    TENANT_DEFAULTS,
    Numbers,
)

#: Where a number came from: built in, the platform's row for all, the agent's, the tenant's, or the tenant's own.
Source = Literal["default", "platform", "agent", "tenant", "own"]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that matter to one tenant; those of agents by agent id."""

    platform: Numbers = NOTHING
    tenant: Numbers = NOTHING
    own: Numbers = NOTHING
    agents: Mapping[str, Numbers] = field(default_factory=dict)
    tenant_agents: Mapping[str, Numbers] = field(default_factory=dict)
    own_agents: Mapping[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds: spending of the agent within the tenant, of the tenant as a whole, and conduct.

    A number that is missing from a mapping is not limited. `sources` has the same names. `unchanged` is when a circuit
    opens that tenants share, because they run the agent as it is; `shared` the same of one that agents share.
    """

    agent: Mapping[str, Any]
    tenant: Mapping[str, Any]
    conduct: Mapping[str, Any]
    guard_percentage: int
    agent_sources: Mapping[str, Source]
    tenant_sources: Mapping[str, Source]
    conduct_sources: Mapping[str, Source]
    unchanged: Mapping[str, Any] = field(default_factory=lambda: dict(CONDUCT_DEFAULTS))
    shared: Mapping[str, Any] = field(default_factory=lambda: dict(CONDUCT_DEFAULTS))


_Ranked = Sequence[tuple[Source, Numbers]]


def settle(rows: Rows, agent_id: str, max_tokens: int) -> Settled:
    """Return the limits of an agent in a tenant; `max_tokens` is what one of its runs may use at most."""
    agent, agent_sources = _spending(
        [
            ("tenant", rows.tenant_agents.get(agent_id, NOTHING)),
            ("agent", rows.agents.get(agent_id, NOTHING)),
            ("default", Numbers(daily_tokens=max_tokens * DAILY_RUNS)),
        ],
        rows.own_agents.get(agent_id, NOTHING),
    )
    tenant, tenant_sources = settle_tenant(rows)
    conduct, conduct_sources = settle_conduct(rows, agent_id)
    platform: list[tuple[Source, Numbers]] = [
        ("platform", rows.platform),
        ("default", Numbers(**CONDUCT_DEFAULTS)),
    ]
    return Settled(
        agent,
        tenant,
        conduct,
        settle_percentage(rows)[0],
        agent_sources,
        tenant_sources,
        conduct_sources,
        _first([("agent", rows.agents.get(agent_id, NOTHING)), *platform], BREAKER)[0],
        _first(platform, BREAKER)[0],
    )


def settle_percentage(rows: Rows) -> tuple[int, Source]:
    """Return the percent of tenants whose runs the guard refuses, and where it came from."""
    said = rows.platform.guard_percentage
    return (GUARD_PERCENTAGE, "default") if said is None else (said, "platform")


def settle_conduct(rows: Rows, agent_id: str | None) -> tuple[dict[str, Any], dict[str, Source]]:
    """Return conduct of an agent in a tenant, or of those no row speaks of; and where each number came from."""
    return _first(
        [
            ("tenant", rows.tenant_agents.get(agent_id or "", NOTHING)),
            ("agent", rows.agents.get(agent_id or "", NOTHING)),
            ("tenant", rows.tenant),
            ("platform", rows.platform),
            ("default", Numbers(**CONDUCT_DEFAULTS)),
        ],
        CONDUCT,
    )


def without_own(rows: Rows) -> Rows:
    """Return the rows without those a tenant has set for itself: what the platform gives it."""
    return replace(rows, own=NOTHING, own_agents={})


def settle_tenant(rows: Rows) -> tuple[dict[str, Any], dict[str, Source]]:
    """Return what a tenant may use as a whole, and where each number came from."""
    ranked: _Ranked = [
        ("tenant", rows.tenant),
        ("platform", rows.platform),
        ("default", Numbers(**TENANT_DEFAULTS)),
    ]
    return _spending(ranked, rows.own)


def _spending(ranked: _Ranked, own: Numbers) -> tuple[dict[str, Any], dict[str, Source]]:
    values, sources = _first(ranked, SPENDING)
    for name in SPENDING:
        wanted = getattr(own, name)
        if wanted is not None and (name not in values or wanted < values[name]):
            values[name], sources[name] = wanted, "own"
    return values, sources


def _first(ranked: _Ranked, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Source]]:
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for name in names:
        for source, numbers in ranked:
            value = getattr(numbers, name)
            if value is not None:
                values[name], sources[name] = value, source
                break
    return values, sources

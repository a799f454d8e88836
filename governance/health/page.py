"""The health page of a tenant: every agent's circuit, budgets, rates and refusals as its administrators see them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agents import ledger, registry
from agents.ledger import Used
from agents.limits import registry as limits
from agents.limits.numbers import GUARD_PERCENTAGE
from agents.registry import Agent
from governance.health import charts, history, selectors
from governance.health.budget import Budget, amount, budgets
from governance.health.charts import Rates, Stretch
from governance.health.history import Change, Passed, Refusals
from governance.health.refusals import word
from governance.runs.bounds import is_in_shadow
from governance.usage import HIDDEN_NAME
from qualisys import tenancy
from qualisys.database.threads import in_thread
from qualisys.icons import icon_of
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from tenants.identity import Identity

#: Changes of circuits that an agent's card lists.
LISTED: Final = 6


@dataclass(frozen=True, slots=True)
class Light:
    """A breaker's state for people: semantic colour, icon and word; `seconds` until it is tried again."""

    kind: str
    icon: str
    word: str
    detail: str = ""
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """One agent's card. `budgets` are the limited ones."""

    agent_id: str
    name: str
    icon: str
    light: Light
    budgets: Sequence[Budget]
    cost_today: str
    rates: Rates
    strip: Sequence[Stretch]
    changes: Sequence[Change]
    refusals: Sequence[Refusals]

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell: it works, and nobody asked anything of it."""
        return self.light.kind == "healthy" and not self.is_used and not any(b.used for b in self.budgets)

    @property
    def is_used(self) -> bool:
        """Whether somebody asked something of it in the last 24 hours."""
        return bool(self.rates.runs or self.refusals)

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place: what is broken first, then what wants attention, then the busiest."""
        levels = [self.light.kind, *(budget.level for budget in self.budgets)]
        trouble = next((place for place, kind in enumerate(("broken", "attention")) if kind in levels), 2)
        return trouble, -self.rates.runs, self.name.lower()


@dataclass(frozen=True, slots=True)
class Health:
    """The whole page. `is_known` is False where Redis does not answer: nothing is known of now, and nothing runs."""

    now: datetime
    is_known: bool
    whole: Sequence[Budget]
    passed: Sequence[tuple[Passed, str]]
    cards: Sequence[AgentHealth]
    quiet: Sequence[AgentHealth]
    in_shadow: bool

    @property
    def is_idle(self) -> bool:
        """Whether nothing was asked of any agent."""
        return not any(agent.is_used for agent in self.cards)

    @property
    def summary(self) -> str:
        """What is wrong, in a sentence."""
        agents = [*self.cards, *self.quiet]
        parts = [
            f"{number} of {len(agents)} agents {'is' if number == 1 else 'are'} {words}"
            for words, kinds in (
                ("paused", ("broken", "paused")),
                ("being tried or helped out", ("attention",)),
            )
            if (number := sum(agent.light.kind in kinds for agent in agents))
        ]
        near = sum(budget.level != "healthy" for budget in self.whole)
        near += sum(budget.level != "healthy" for agent in agents for budget in agent.budgets)
        if near:
            parts.append(f"{near} budget{'' if near == 1 else 's'} over 80 %")
        return ("; ".join(parts) or "Every agent works, and no budget is near its end") + "."


async def left_today(identity: Identity) -> tuple[str, dict[str, Budget]]:
    """Return what is left of the tenant's tokens today, in words, and the day's budget of each agent it sees.

    Both are empty where Redis does not answer.
    """
    try:
        spending = await selectors.spending(tenancy.tenant(), await _seen(identity))
    except RedisUnavailable:
        return "", {}
    whole = budgets(spending["tenant"])[0]
    return whole.left_words, {agent_id: budgets(its)[0] for agent_id, its in spending["agents"].items()}


async def _seen(identity: Identity) -> list[Agent]:
    agents = await registry.enabled()
    return [agent for agent in agents if identity.has_perm("agents.view_agentdefinition", agent)]


async def health(identity: Identity, now: datetime) -> Health:
    """Return the health of the current tenant's agents, as far as this reader may see them."""
    tenant = tenancy.tenant()
    seen = await _seen(identity)
    try:
        breakers = await asyncio.gather(*(_breaker(tenant, each) for each in seen))
        spending: Mapping[str, Any] | None = await selectors.spending(tenant, seen)
    except RedisUnavailable:
        breakers, spending = [UNKNOWN for _ in seen], None
    past = await in_thread(_past, tenant, now)
    percentage = (await limits.of(tenant.id)).platform.guard_percentage
    agents = [
        _agent(agent, breaker, spending, past, now)
        for agent, breaker in zip(seen, breakers, strict=True)
        if breaker is not None
    ]
    names = {"": "Your organisation", **{agent.agent_id: agent.name for agent in seen}}
    agents.sort(key=lambda each: each.rank)
    return Health(
        now=now,
        is_known=spending is not None,
        whole=budgets(spending["tenant"], past.whole) if spending else (),
        passed=[(each, names.get(each.agent_id, HIDDEN_NAME)) for each in past.passed],
        cards=[agent for agent in agents if not agent.is_quiet],
        quiet=[agent for agent in agents if agent.is_quiet],
        in_shadow=is_in_shadow(tenant.id, GUARD_PERCENTAGE if percentage is None else percentage),
    )


async def lights(agents: Sequence[str]) -> dict[str, Light]:
    """Return the lights of the current tenant's agents that do not simply work; none where Redis does not answer."""
    known = [agent for agent in [await registry.find(agent_id) for agent_id in agents] if agent]
    try:
        breakers = await asyncio.gather(*(_breaker(tenancy.tenant(), each) for each in known))
    except RedisUnavailable:
        return {}
    found = {agent.agent_id: light(each) for agent, each in zip(known, breakers, strict=True) if each}
    return {agent_id: each for agent_id, each in found.items() if each.kind != "healthy"}


UNKNOWN: Final[Mapping[str, Any]] = {"state": "unknown", "retry_after": None, "reason": "", "circuits": []}
NOTHING: Final = Used("", 0, 0, 0, 0)


async def _breaker(tenant: tenancy.Tenant, agent: Agent) -> Mapping[str, Any] | None:
    """Return an agent's breaker, or None for one that the tenant does not use."""
    try:
        return await selectors.breaker(tenant, agent)
    except Problem:
        return None


@dataclass(frozen=True, slots=True)
class _Past:
    hours: Mapping[str, Sequence[history.Hour]]
    refused: Mapping[str, Sequence[Refusals]]
    changes: history.Changes
    passed: Sequence[Passed]
    used: Mapping[str, Used]

    @property
    def whole(self) -> Used:
        """What the tenant's agents used together."""
        rows = [(u.day_tokens, u.day_cost, u.month_tokens, u.month_cost) for u in self.used.values()]
        return Used("", *(sum(column) for column in zip(*rows, strict=True))) if rows else NOTHING


def _past(tenant: tenancy.Tenant, now: datetime) -> _Past:
    used, _ = ledger.used(tenant.id, now.date(), [])
    hours, refused = history.counted(tenant.id, now)
    return _Past(
        hours=hours,
        refused=refused,
        changes=history.changes(tenant.id, now),
        passed=history.passed(tenant.id, now),
        used={each.agent_id: each for each in used},
    )


def _agent(
    agent: Agent, breaker: Mapping[str, Any], spending: Mapping[str, Any] | None, past: _Past, now: datetime
) -> AgentHealth:
    circuits = breaker["circuits"]
    changes = past.changes.met_by(agent.agent_id, {(each["provider"], each["model"]) for each in circuits})
    used = past.used.get(agent.agent_id, NOTHING)
    its = budgets(spending["agents"][agent.agent_id], used) if spending else []
    return AgentHealth(
        agent_id=agent.agent_id,
        name=agent.name,
        icon=icon_of(agent.icon),
        light=light(breaker),
        budgets=[budget for budget in its if budget.limit is not None],
        cost_today=amount(used.day_cost / 1_000_000, is_money=True),
        rates=charts.rates(past.hours.get(agent.agent_id, ()), now),
        strip=charts.strip(changes, [_state(each) for each in _of_first(circuits)], now),
        changes=changes[:LISTED],
        refusals=past.refused.get(agent.agent_id, ()),
    )


def _of_first(circuits: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the circuits of the model that answers where nothing is wrong."""
    of = (circuits[0]["provider"], circuits[0]["model"]) if circuits else None
    return [each for each in circuits if (each["provider"], each["model"]) == of]


def _state(circuit: Mapping[str, Any]) -> tuple[bool, str, datetime | None]:
    since = datetime.fromisoformat(circuit["since"]) if circuit["since"] else None
    return circuit["scope"] == "model", circuit["state"], since


def light(breaker: Mapping[str, Any]) -> Light:
    """Return a breaker's state in words, with a colour and a shape of its own."""
    state, seconds, circuits = breaker["state"], breaker["retry_after"], breaker["circuits"]
    if state == "unknown":
        return Light("paused", "circle-help", "Unknown", "The guard does not answer, so no run can start.")
    if not circuits:
        return Light("paused", "circle-stop", "Stopped", breaker["reason"])
    if state == "open":
        return Light("broken", "octagon-alert", "Paused, tried again", _why(breaker["reason"]), seconds)
    if state == "half_open" and seconds:
        return Light(
            "attention",
            "hourglass",
            "Being tried",
            "One run tries it; others are refused until it has ended.",
        )
    if state == "half_open":
        detail = (
            "It failed too often and was paused. The next run tries it: if that one succeeds, it works again."
        )
        return Light("attention", "hourglass", "Tried by the next run", detail)
    if any(each["state"] != "closed" for each in _of_first(circuits)):
        detail = f"{circuits[0]['model']} is paused after failures; a fallback answers in its place."
        return Light("attention", "git-branch", "On a fallback", detail)
    return Light("healthy", "circle-check", "Healthy")


def _why(reason: str) -> str:
    told = word(reason) if reason else ""
    return f"It failed too often. The last failure: {told}." if told else "It failed too often."

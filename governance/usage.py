"""What a tenant's agents used in the last 30 days: the figures of the usage page, its chart and its file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from agents import selectors
from agents.models import AgentDefinition
from agents.selectors import DayOfAgent
from qualisys import tenancy
from tenants.identity import Identity

#: Days on the page, today included; and agents that have a colour of their own in the chart.
DAYS: Final = 30
COLOURS: Final = 4
#: Units of the chart's height; its width has one unit a day.
HEIGHT: Final = 100

#: Stands for agents that the reader's role may not see: what they used counts, under no name of theirs.
HIDDEN: Final = ""
HIDDEN_NAME: Final = "Agents you do not see"
REST_NAME: Final = "All others"


@dataclass(frozen=True, slots=True)
class Total:
    """Runs, and what they used; `estimated` runs have no figure of the provider's, `refused` ones never began."""

    runs: int = 0
    failed: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    refused: int = 0
    #: Millionths of a US dollar.
    cost_micros: int = 0

    @property
    def cost(self) -> float:
        """US dollars."""
        return self.cost_micros / 1_000_000

    @property
    def tokens(self) -> int:
        """Tokens in and out together."""
        return self.input_tokens + self.output_tokens

    @property
    def tokens_per_run(self) -> int:
        """Tokens of a run on average."""
        return round(self.tokens / self.runs) if self.runs else 0

    @property
    def failed_percent(self) -> float:
        """Failed runs of a hundred."""
        return round(100 * self.failed / self.runs, 1) if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of the chart: `series` counts from 1 and names its colour."""

    series: int
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day: everything together, the tokens of each series in order, and their bars."""

    day: date
    total: Total
    tokens: tuple[int, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """One agent's 30 days. The agent id is empty where the reader may not see which it is."""

    agent_id: str
    name: str
    icon: str
    series: int
    total: Total
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """The whole page. `most` is the top of the chart's scale, in tokens."""

    first: date
    last: date
    total: Total
    before: Total
    agents: list[AgentUsage]
    series: list[str]
    days: list[Day]
    most: int
    rows: list[DayOfAgent] = field(repr=False)
    names: Mapping[str, tuple[str, str]] = field(repr=False)


def usage_of(identity: Identity, today: date) -> Usage:
    """Return the last 30 days of the current tenant, as this reader may see them."""
    first = today - timedelta(days=DAYS - 1)
    found = selectors.usage_by_day(tenancy.tenant().id, first - timedelta(days=DAYS), today)
    names = _names(identity)
    rows = [row for row in found if row.day >= first]
    by_agent: dict[str, list[DayOfAgent]] = defaultdict(list)
    for row in rows:
        by_agent[row.agent_id if row.agent_id in names else HIDDEN].append(row)
    ranked = sorted(by_agent, key=lambda agent_id: (-total_of(by_agent[agent_id]).tokens, agent_id))
    series = {agent_id: min(place, COLOURS + 1) for place, agent_id in enumerate(ranked, 1)}
    most = _scale(max((total_of(day).tokens for day in by_day(rows).values()), default=0))
    return Usage(
        first=first,
        last=today,
        total=total_of(rows),
        before=total_of(row for row in found if row.day < first),
        agents=[_agent(agent_id, by_agent[agent_id], series, names, first) for agent_id in ranked],
        series=[names.get(each, (HIDDEN_NAME, ""))[0] for each in ranked[:COLOURS]]
        + ([REST_NAME] if len(ranked) > COLOURS else []),
        days=_days(rows, first, series, most),
        most=most,
        rows=rows,
        names=names,
    )


def _names(identity: Identity) -> dict[str, tuple[str, str]]:
    """Return name and icon of every agent that the identity may see, turned off or not."""
    visible: Iterable[AgentDefinition] = (
        agent for agent in selectors.list_agents() if identity.has_perm("agents.view_agentdefinition", agent)
    )
    return {agent.agent_id: (agent.name, agent.icon) for agent in visible}


def total_of(rows: Iterable[DayOfAgent]) -> Total:
    """Return the sum of some rows."""
    figures = [
        (r.runs, r.failed, r.estimated, r.input_tokens, r.output_tokens, r.refused, r.cost_micros)
        for r in rows
    ]
    return Total(*(sum(column) for column in zip(*figures, strict=True))) if figures else Total()


def by_day(rows: Iterable[DayOfAgent]) -> dict[date, list[DayOfAgent]]:
    """Return rows by their day."""
    days: dict[date, list[DayOfAgent]] = defaultdict(list)
    for row in rows:
        days[row.day].append(row)
    return days


def _days(rows: Sequence[DayOfAgent], first: date, series: Mapping[str, int], most: int) -> list[Day]:
    found = by_day(rows)
    count = max(series.values(), default=0)
    days = []
    for offset in range(DAYS):
        day = first + timedelta(days=offset)
        tokens = [0] * count
        for row in found.get(day, ()):
            tokens[series.get(row.agent_id, series.get(HIDDEN, count)) - 1] += row.tokens
        days.append(
            Day(day, total_of(found.get(day, ())), tuple(tokens), tuple(_stack(offset, tokens, most)))
        )
    return days


def _stack(offset: int, tokens: Sequence[int], most: int) -> Iterable[Bar]:
    below = 0
    for number, amount in enumerate(tokens, 1):
        if amount:
            below += amount
            yield Bar(
                number,
                offset + 0.1,
                round(HEIGHT - HEIGHT * below / most, 2),
                round(HEIGHT * amount / most, 2),
            )


def _agent(
    agent_id: str,
    rows: Sequence[DayOfAgent],
    series: Mapping[str, int],
    names: Mapping[str, tuple[str, str]],
    first: date,
) -> AgentUsage:
    """Return an agent whose bars are drawn to its own scale: their shape shows its rhythm, the number its size."""
    name, icon = names.get(agent_id, (HIDDEN_NAME, "lock"))
    tokens_of = {day: total_of(each).tokens for day, each in by_day(rows).items()}
    tallest = max(tokens_of.values()) or 1
    bars = tuple(
        Bar(series[agent_id], (day - first).days + 0.1, round(HEIGHT - height, 2), round(height, 2))
        for day, tokens in sorted(tokens_of.items())
        if (height := HEIGHT * tokens / tallest)
    )
    return AgentUsage(agent_id, name, icon, series[agent_id], total_of(rows), bars)


def _scale(most: int) -> int:
    """Return the next round number at or above `most`, at least 10, whose half is a whole number too."""
    power = 10
    while power * 10 < most:
        power *= 10
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= most)


def compact(number: int) -> str:
    """Return a number in few characters: 950, 12.3 k, 4.5 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + f" {unit}"
    return str(number)


def trend(now: int, before: int) -> str:
    """Return in words how a figure changed against the 30 days before."""
    if not before:
        return "nothing in the 30 days before" if now else ""
    change = round(100 * (now - before) / before)
    return f"{change:+d} % on the 30 days before" if change else "as in the 30 days before"

"""The last 24 hours of every agent at a glance: runs and failures by the hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Q
from django.db.models.functions import TruncHour

from governance.models import Run

HOURS: Final = 24
#: Units of the drawing: width of an hour's bar with its gap, and height of the tallest bar.
_STEP, _HEIGHT = 3, 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour as a bar: its place, and the heights of all runs and of the failed ones."""

    x: int
    runs: int
    failed: int
    height: float
    failed_height: float

    @property
    def y(self) -> float:
        """Top of the bar."""
        return _HEIGHT - self.height

    @property
    def failed_y(self) -> float:
        """Top of its failed part."""
        return _HEIGHT - self.failed_height


@dataclass(slots=True)
class Spark:
    """One agent's 24 hours."""

    agent_id: str
    runs: int = 0
    failed: int = 0
    bars: list[Bar] = field(default_factory=list)
    width: int = HOURS * _STEP
    height: int = _HEIGHT

    @property
    def state(self) -> str:
        """The semantic colour: paused (no runs), healthy, attention (some failed) or broken (every second one)."""
        if not self.runs:
            return "paused"
        if not self.failed:
            return "healthy"
        return "broken" if self.failed * 2 >= self.runs else "attention"


def sparks(agent_ids: Collection[str]) -> list[Spark]:
    """Return a spark for each agent from the current tenant's runs."""
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    # Ids of runs sort by time, so the primary key's index finds the day.
    rows = (
        Run.objects.filter(pk__gte=_first_id(since), agent_id__in=agent_ids)
        .order_by()
        .annotate(hour=TruncHour("created_at"))
        .values_list("agent_id", "hour")
        .annotate(runs=Count("pk"), failed=Count("pk", filter=Q(status=Run.Status.FAILED)))
    )
    counted: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    for agent_id, hour, runs, failed in rows:
        counted[agent_id][int((hour - since).total_seconds() // 3600)] = (runs, failed)
    return [_spark(agent_id, counted[agent_id]) for agent_id in agent_ids]


def _first_id(since: datetime) -> UUID:
    return UUID(int=int(since.timestamp() * 1000) << 80)


def _spark(agent_id: str, hours: dict[int, tuple[int, int]]) -> Spark:
    spark = Spark(agent_id)
    tallest = max((runs for runs, _ in hours.values()), default=1)
    for hour in range(HOURS):
        runs, failed = hours.get(hour, (0, 0))
        spark.runs += runs
        spark.failed += failed
        height = max(3, runs / tallest * _HEIGHT) if runs else 1
        share = height * failed / runs if runs else 0
        spark.bars.append(Bar(hour * _STEP, runs, failed, round(height, 1), round(share, 1)))
    return spark

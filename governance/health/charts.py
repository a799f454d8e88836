"""What the health page draws, worked out in the coordinates of its drawings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agents.models import GuardEvent
from governance.health.history import HOURS, Change, Hour, first_hour

#: Units of a line's drawing: an hour is one wide, and the top of the scale is this high.
HEIGHT: Final = 40
#: Units of a strip: a minute is one wide.
MINUTES: Final = HOURS * 60
_SCALES: Final = (5, 10, 25, 50, 100)

_BEFORE: Final = {
    GuardEvent.Kind.OPENED: "closed",
    GuardEvent.Kind.PROBING: "open",
    GuardEvent.Kind.CLOSED: "half_open",
    GuardEvent.Kind.RESET: "open",
}
_AFTER: Final = {
    GuardEvent.Kind.OPENED: "open",
    GuardEvent.Kind.PROBING: "half_open",
    GuardEvent.Kind.CLOSED: "closed",
    GuardEvent.Kind.RESET: "closed",
}


@dataclass(frozen=True, slots=True)
class Rates:
    """Error and timeout rates of 24 hours: lines and points as SVG paths, the scale's top in percent, and sums."""

    hours: Sequence[Hour]
    errors_path: str
    timeouts_path: str
    #: A point for every hour in which something failed; one that stands alone has no line.
    errors_points: str
    timeouts_points: str
    top: int
    runs: int
    errors: int
    timeouts: int

    @property
    def errors_percent(self) -> float:
        """Failed runs of a hundred, deadlines apart."""
        return round(100 * self.errors / self.runs, 1) if self.runs else 0.0

    @property
    def timeouts_percent(self) -> float:
        """Runs of a hundred that hit their deadline."""
        return round(100 * self.timeouts / self.runs, 1) if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a strip during which a circuit was `open` or `half_open`."""

    state: str
    x: int
    width: int


def rates(hours: Sequence[Hour], now: datetime) -> Rates:
    """Return the lines of an agent's hours; where nothing ran there is no line."""
    most = max((max(hour.errors, hour.timeouts) / hour.runs for hour in hours), default=0.0)
    top = next(scale for scale in _SCALES if scale >= 100 * most)
    first = first_hour(now)
    at = [round((hour.at - first).total_seconds() // 3600) for hour in hours]
    errors = [_place(x, hour.errors / hour.runs, top) for x, hour in zip(at, hours, strict=True)]
    timeouts = [_place(x, hour.timeouts / hour.runs, top) for x, hour in zip(at, hours, strict=True)]
    return Rates(
        hours=hours,
        errors_path=_line(errors),
        timeouts_path=_line(timeouts),
        errors_points=_points(errors),
        timeouts_points=_points(timeouts),
        top=top,
        runs=sum(hour.runs for hour in hours),
        errors=sum(hour.errors for hour in hours),
        timeouts=sum(hour.timeouts for hour in hours),
    )


def _place(hour: int, share: float, top: int) -> tuple[float, float]:
    return hour + 0.5, round(HEIGHT - HEIGHT * share * 100 / top, 1)


def _line(places: Sequence[tuple[float, float]]) -> str:
    """Return a line through neighbouring hours; where nothing ran it is broken."""
    before = [None, *(x for x, _ in places)]
    return "".join(
        f"{'L' if last is not None and x - last == 1 else 'M'}{x} {y}"
        for last, (x, y) in zip(before, places, strict=False)
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    """Return lines of no length, which round ends make points, where the line is above the ground."""
    return "".join(f"M{x} {y}h0" for x, y in places if y < HEIGHT)


def strip(
    changes: Iterable[Change], states: Iterable[tuple[bool, str, datetime | None]], now: datetime
) -> list[Stretch]:
    """Return when circuits did not work in the last 24 hours.

    `states` are those of now, as (is it a model's, state, since when): they tell of circuits that nothing happened to.
    """
    by_circuit: dict[bool, list[Change]] = defaultdict(list)
    begin = now - timedelta(hours=HOURS)
    for change in changes:
        if change.at >= begin:
            by_circuit[change.is_model].append(change)
    found: list[Stretch] = []
    for is_model, state, since in states:
        told = sorted(by_circuit[is_model], key=lambda change: change.at)
        found += _stretches(told, state, since, begin, now)
    # What is worse is drawn over what is less so.
    return sorted(found, key=lambda stretch: stretch.state == "open")


def _stretches(
    told: Sequence[Change], state: str, since: datetime | None, begin: datetime, now: datetime
) -> Iterable[Stretch]:
    if told:
        marks = [(begin, _BEFORE[GuardEvent.Kind(told[0].kind)])]
        marks += [(change.at, _AFTER[GuardEvent.Kind(change.kind)]) for change in told]
    else:
        marks = [(max(since or begin, begin), state)]
    for (at, which), (until, _) in zip(marks, [*marks[1:], (now, "")], strict=True):
        if which != "closed":
            x = round((at - begin).total_seconds() / 60)
            # A minute would be less than a pixel.
            width = max(10, round((until - at).total_seconds() / 60))
            yield Stretch(which, min(x, MINUTES - width), width)

"""The breaker's false alarms and how soon it sees an outage: `python -m benchmarks.breaker [--write-docs]`.

Needs no server; it takes less than a minute, and gives the same figures every time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.breaker_simulation import (
    AIM,
    AT_NOISE,
    BARE,
    GRID,
    NOISE,
    TRAFFIC,
    at_most,
    days_of,
    detections,
    share_of_days,
    worst,
    worst_evenly,
)
from benchmarks.charts import Line, Ticks, chart
from qualisys.environment import ROOT

PAGE = ROOT / "docs" / "breaker.md"
IMAGES = ROOT / "docs" / "images"
BEGIN, END = "<!-- simulated -->\n", "<!-- /simulated -->\n"

X: Ticks = ((1, "1"), (5, "5"), (20, "20"), (60, "60"), (300, "300"), (1200, "1,200"))
SHARES: Ticks = (
    (1e-5, "0.001 %"),
    (1e-4, "0.01 %"),
    (1e-3, "0.1 %"),
    (1e-2, "1 %"),
    (1e-1, "10 %"),
    (1, "100 %"),
)
SECONDS: Ticks = (
    (5, "5 s"),
    (10, "10 s"),
    (30, "30 s"),
    (60, "1 min"),
    (300, "5 min"),
    (3600, "1 h"),
    (43200, "12 h"),
)
TRAFFIC_NAME = "runs a minute, of one agent"


def main() -> int:
    """Simulate, print, and put figures and pictures into the documentation where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breaker", description=__doc__.splitlines()[0])
    parser.add_argument("--write-docs", action="store_true", help="write docs/breaker.md and its pictures")
    options = parser.parse_args()
    shares = {(each, noise): share_of_days(each / 60, noise) for each in TRAFFIC for noise in NOISE}
    bare = {each: share_of_days(each / 60, AT_NOISE, BARE) for each in TRAFFIC}
    found = {(each, how): detections(each / 60, how) for each in TRAFFIC for how in (1.0, 0.5)}
    text = "\n".join([*_false_alarms(shares, bare), "", *summary(), "", *_outages(found)]) + "\n"
    print(text)
    if options.write_docs:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}")
        _write(IMAGES / "breaker-false-alarms.svg", _alarms_chart(shares, bare))
        _write(IMAGES / "breaker-detection.svg", _outages_chart(found))
    return 0


def summary() -> Iterator[str]:
    """Yield the figures that are calculated, not simulated."""
    rate, bound = worst()
    simulated = share_of_days(rate / 60, AT_NOISE, days=3000)
    yield (
        f"At {_percent(AT_NOISE)} noise healthy days open most often at {rate:.0f} runs a minute: at most "
        f"{_percent(bound)} of them by calculation, and {_percent(simulated)} of 3,000 simulated ones; "
        f"the aim is less than {_percent(AIM)}."
    )
    rate, bound = worst_evenly()
    yield (
        f"If runs came like a clock and not at random, it would be at most {_percent(bound)}, at {rate:.0f} runs a "
        "minute: there the aim is missed, in a narrow range of traffic."
    )


def _false_alarms(shares: dict[tuple[int, float], float], bare: dict[int, float]) -> Iterator[str]:
    columns = [f"{_percent(noise)} noise" for noise in NOISE]
    columns += [f"{_percent(AT_NOISE)}: {what}" for what in ("at most", "days simulated", "bare count")]
    yield f"| Runs a minute | {' | '.join(columns)} |"
    yield "|---:" * (len(NOISE) + 4) + "|"
    for each in TRAFFIC:
        cells = [_percent(shares[each, noise]) for noise in NOISE]
        bound = at_most(each / 60, AT_NOISE)
        shown = "< 0.001 %" if bound < 1e-5 else _percent(bound)
        days = f"{days_of(each / 60, AT_NOISE):,}"
        yield f"| {each:,} | {' | '.join(cells)} | {shown} | {days} | {_percent(bare[each])} |"


def _outages(found: dict[tuple[int, float], tuple[float, float]]) -> Iterator[str]:
    yield "| Runs a minute | all fail: median | 90th percentile | half fail: median | 90th percentile |"
    yield "|---:|---:|---:|---:|---:|"
    for each in TRAFFIC:
        cells = [_time(seconds) for how in (1.0, 0.5) for seconds in found[each, how]]
        yield f"| {each:,} | {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return "0" if not share else f"{share * 100:.2g} %" if share < 0.995 else "100 %"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _alarms_chart(shares: dict[tuple[int, float], float], bare: dict[int, float]) -> str:
    lines = [
        Line(
            f"{_percent(noise)} noise",
            colour,
            [(each, at_most(each / 60, noise)) for each in GRID],
            [(each, shares[each, noise]) for each in TRAFFIC if shares[each, noise]],
        )
        for colour, noise in enumerate(NOISE, 1)
    ]
    lines.append(
        Line(
            "bare count, 0.5 %",
            0,
            [(each, at_most(each / 60, AT_NOISE, BARE)) for each in GRID],
            [(each, bare[each]) for each in TRAFFIC if bare[each]],
            dashed=True,
        )
    )
    title = "Healthy days on which the breaker opens"
    return chart(
        title,
        lines,
        X,
        SHARES,
        TRAFFIC_NAME,
        "lines: at most, by calculation; dots: simulated; 0.1 % noise stays below",
    )


def _outages_chart(found: dict[tuple[int, float], tuple[float, float]]) -> str:
    lines = [
        Line(name, colour, [(each, found[each, how][at]) for each in TRAFFIC], dashed=at == 1)
        for name, colour, how, at in (
            ("all fail, median", 2, 1.0, 0),
            ("all fail, 9 of 10", 2, 1.0, 1),
            ("half fail, median", 4, 0.5, 0),
            ("half fail, 9 of 10", 4, 0.5, 1),
        )
    ]
    return chart(
        "From the beginning of an outage until the breaker opens", lines, X, SECONDS, TRAFFIC_NAME, ""
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())

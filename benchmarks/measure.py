"""Rounds over all cases, one after the other in turn, so that a slow moment of the machine hits them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks import load
from benchmarks.cases import Case, target
from benchmarks.stage import Stage

#: A case's figures: milliseconds for latencies, microseconds of CPU per request.
Figures = dict[str, float]

#: What works for governed runs beside the web process.
OTHERS = ("relay", "valkey", "postgres")


def measure(
    stage: Stage, cases: Sequence[Case], *, rounds: int, seconds: float, say: Callable[[str], None]
) -> dict[Case, Figures]:
    """Return each case's figures as medians of the rounds; the first round warms up and does not count."""
    found: dict[Case, list[Figures]] = {case: [] for case in cases}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "warming up")
        for case in cases if number % 2 else reversed(cases):
            figures = _once(stage, case, seconds if number else min(seconds, 0.5))
            if number:
                found[case].append(figures)
    return {case: _medians(samples) for case, samples in found.items()}


def _medians(samples: list[Figures]) -> Figures:
    return {name: median(sample[name] for sample in samples) for name in samples[0]}


def _once(stage: Stage, case: Case, seconds: float) -> Figures:
    asked = target(case, stage)
    server = "web" if case.governed else "bare"
    stage.settle()
    others = {name: stage.cpu(name) for name in OTHERS} if case.governed else {}
    before = stage.cpu(server)
    done = load.run(asked, case.concurrency, seconds)
    used = stage.cpu(server) - before
    stage.settle()
    requests = len(done.ends)
    figures = {
        "requests": requests,
        "per_second": requests / done.seconds,
        "p50": _percentile(done.ends, 50) * 1e3,
        "p99": _percentile(done.ends, 99) * 1e3,
        "frames": done.frames / requests,
        "wrong": len(done.wrong),
    }
    if done.firsts:
        figures |= {f"first_p{p}": _percentile(done.firsts, p) * 1e3 for p in (50, 99)}
    if case.who != "direct":
        figures["cpu"] = used / requests * 1e6
    for name, earlier in others.items():
        figures[f"cpu_{name}"] = (stage.cpu(name) - earlier) / requests * 1e6
    return figures


def _percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def as_json(found: dict[Case, Figures]) -> list[dict[str, Any]]:
    """Return the figures with what they belong to."""
    return [
        {
            "who": case.who,
            "model": case.model,
            "concurrency": case.concurrency,
            "stream": case.stream,
            **figures,
        }
        for case, figures in found.items()
    ]

"""Rounds over all cases, one after the other in turn, so that a slow moment of the machine hits them alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import psutil

from benchmarks import load
from benchmarks.cases import Case, target
from benchmarks.stage import Stage

#: A case's figures: milliseconds for latencies, microseconds of CPU per request.
Figures = dict[str, float]

#: What works for governed runs beside the web process.
OTHERS = ("relay", "valkey", "postgres")


#: Share of the machine that other programs may take before a case is measured again, where there is patience.
QUIET = 0.08


@dataclass(frozen=True, slots=True)
class Results:
    """Each case's figures as medians of the rounds, and the share of the machine that other programs took."""

    rounds: int
    seconds: float
    cases: dict[Case, Figures]
    #: Microseconds of resolving a configuration, by `benchmarks.resolve`.
    resolving: Figures = field(default_factory=dict)
    #: Microseconds of guarding a run, by `benchmarks.guard`.
    guard: Figures = field(default_factory=dict)

    @property
    def strangers(self) -> float:
        """The share of the machine that other programs took meanwhile, 0 to 1."""
        return median([figures["strangers"] for figures in self.cases.values()] or [0.0])

    def of(self, *args: Any, **kwargs: Any) -> Figures | None:
        """Return the figures of `Case(...)`, or None where it was not measured."""
        return self.cases.get(Case(*args, **kwargs))

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        cases = [
            {"who": c.who, "model": c.model, "concurrency": c.concurrency, "stream": c.stream, **figures}
            for c, figures in self.cases.items()
        ]
        return {
            "rounds": self.rounds,
            "seconds": self.seconds,
            "strangers": self.strangers,
            "cases": cases,
            "resolving": self.resolving,
            "guard": self.guard,
        }


def measure(
    stage: Stage,
    cases: Sequence[Case],
    *,
    rounds: int,
    seconds: float,
    patience: float,
    say: Callable[[str], None],
) -> Results:
    """Measure every case in every round, for `seconds` each; one round before warms up and does not count.

    For `patience` seconds in all, what was disturbed by other programs is measured again.
    """
    found: dict[Case, list[Figures]] = {case: [] for case in cases}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}" if number else "warming up")
        for case in cases if number % 2 else reversed(cases):
            if not number:
                _once(stage, case, min(seconds, 0.5))
                continue
            began, tries = time.monotonic(), [_once(stage, case, seconds)]
            while tries[-1]["strangers"] > QUIET and time.monotonic() - began < patience:
                tries.append(_once(stage, case, seconds))
            patience -= time.monotonic() - began if len(tries) > 1 else 0
            found[case].append(min(tries, key=lambda figures: figures["strangers"]))
    return Results(rounds, seconds, {case: _medians(samples) for case, samples in found.items()})


def _medians(samples: list[Figures]) -> Figures:
    return {name: median(sample[name] for sample in samples) for name in samples[0]}


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def _ours(stage: Stage) -> float:
    return time.process_time() + sum(stage.cpu(name) for name in stage.processes)


def _once(stage: Stage, case: Case, seconds: float) -> Figures:
    asked = target(case, stage)
    server = "web" if case.governed else "bare"
    stage.settle()
    others = {name: stage.cpu(name) for name in OTHERS} if case.governed else {}
    before, ours, busy = stage.cpu(server), _ours(stage), _busy()
    done = load.run(asked, case.concurrency, seconds)
    used, ours, busy = stage.cpu(server) - before, _ours(stage) - ours, _busy() - busy
    stage.settle()
    requests = len(done.ends) + done.opening
    figures = {
        "requests": requests,
        "wrong": len(done.wrong),
        "per_second": requests / done.seconds,
        "p50": _percentile(done.ends, 50) * 1e3,
        "p99": _percentile(done.ends, 99) * 1e3,
        "frames": done.frames / requests,
        "strangers": max(busy - ours, 0.0) / done.seconds / (os.cpu_count() or 1),
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

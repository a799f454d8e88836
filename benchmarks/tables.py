"""The figures as Markdown: every table says what it is compared with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import ONE, PACES, PLAIN, SLOW
from benchmarks.measure import OTHERS, Results

#: What the product aims at for a run among 50: µs of CPU of the web process, the same in bare answers with one Redis
#: and one model call, the 99th percentile over the median.
AIM_RUN, AIM_CALLS, AIM_TAIL = 350, 3, 2.5
#: Milliseconds to the first text beyond the model's own, in the median; µs of CPU of a relayed chunk.
AIM_FIRST, AIM_CHUNK = 0.8, 10
#: Wall time of the guard as a share of what the composition takes, by how many call at once.
AIM_GUARD = {1: 0.3, 20: 0.2}

Row = Sequence[str]

_WHO = {
    "direct": "the model itself",
    "bare": "bare answer after one Redis call",
    "call": "the same after the model call too",
    "run": "governed run",
}


def report(results: Results) -> str:
    """Return all tables for which something was measured."""
    tables = [
        _table(
            "What is aimed at",
            ("", "measured", "aim"),
            _aims(results),
        ),
        _table(
            "Whole answers",
            (
                "",
                "at once",
                "per second",
                "p50 ms",
                "p99 ms",
                "added p50",
                "added p99",
                "CPU µs",
                "bare answers",
            ),
            _answers(results),
        ),
        _table(
            "First text of a stream",
            ("at once", "model p50 ms", "p99", "governed p50 ms", "p99", "added p50", "bare answers"),
            _first(results),
        ),
        _table(
            "CPU per relayed chunk, in µs",
            ("", "at once", "chunks/s", "events per chunk", "read", "bare relay", "governed", "beyond read"),
            _chunks(results),
        ),
        _table(
            "CPU of a governed run by process, in µs, until its rows are committed (50 at once)",
            ("web", *OTHERS, "together"),
            _processes(results),
        ),
    ]
    tables.append(
        _table(
            "Effective configuration, in µs (500 tenants x 50 agents, each overridden)",
            ("", "median", "p99", "aim"),
            _resolving(results),
        )
    )
    tables.append(
        _table(
            "Guarding a run: admission and settlement, wall time in µs",
            ("at once", "guard", "composition", "ratio", "aim", "lean composition", "ratio"),
            _guard(results),
        )
    )
    return "\n\n".join([_machine(results), *(table for table in tables if table)]) + "\n"


def _resolving(results: Results) -> Iterator[Row]:
    found = results.resolving
    if found:
        yield ("resolved for the first time, in process", f"{found['first_p50']:.1f}", "", "")
        yield ("resolved again, in process", f"{found['p50']:.1f}", f"{found['p99']:.1f}", "median 10")
        http = (f"{found['http_p50']:.0f}", f"{found['http_p99']:.0f}")
        yield ("an agent's page by API, one client", *http, "p99 1,000")


def _guard(results: Results) -> Iterator[Row]:
    found = results.guard
    for callers, aim in AIM_GUARD.items() if found else ():
        guard, whole, lean = (found[f"{who}_{callers}"] for who in ("guard", "composition", "lean"))
        ratios = (f"{guard / whole:.2f}", str(aim), f"{lean:.0f}", f"{guard / lean:.2f}")
        yield (str(callers), f"{guard:.0f}", f"{whole:.0f}", *ratios)


def _machine(results: Results) -> str:
    known = (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines())
    cpu = next((name for name in known if any(each.isalpha() for each in name) and " " in name), "")
    return (
        f"{datetime.now(UTC):%-d %B %Y}: {cpu or platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release().split('-')[0]}, CPython {platform.python_version()}. Medians of "
        f"{results.rounds} rounds of {results.seconds:g} s."
        + (f" Other programs took {results.strangers:.0%} of the machine meanwhile." if results.cases else "")
    )


def _table(title: str, head: Row, rows: Iterator[Row]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    rule = "|".join(["---", *["---:"] * (len(head) - 1)])
    return "\n".join([f"**{title}**", "", f"| {' | '.join(head)} |", f"|{rule}|", *lines])


def _aims(results: Results) -> Iterator[Row]:
    run, call = (results.of(who, PLAIN, 50) for who in ("run", "call"))
    if run and call:
        yield "a run among 50, CPU of the web process in µs", f"{run['cpu']:.0f}", str(AIM_RUN)
        calls = run["cpu"] / call["cpu"]
        yield "the same, in bare answers after one Redis and one model call", f"{calls:.1f}", str(AIM_CALLS)
        yield "the same, 99th percentile over the median", f"{run['p99'] / run['p50']:.1f}", str(AIM_TAIL)
    direct, run = (results.of(who, PLAIN, 1, stream=True) for who in ("direct", "run"))
    if direct and run:
        added = run["first_p50"] - direct["first_p50"]
        yield "first text, one at once, ms beyond the model's own", f"{added:.2f}", str(AIM_FIRST)
    for label, model, concurrency in PACES:
        if costs := _per_chunk(results, model, concurrency):
            yield f"a relayed chunk, {label}, CPU in µs", f"{costs['run']:.1f}", str(AIM_CHUNK)


def _answers(results: Results) -> Iterator[Row]:
    for case, own in results.cases.items():
        direct = results.of("direct", case.model, case.concurrency)
        if case.stream or direct is None:
            continue
        bare = results.of("bare", case.model, case.concurrency)
        added = (own[p] - direct[p] for p in ("p50", "p99"))
        cpu = own.get("cpu")
        yield (
            _WHO[case.who] + (", the model takes 200 ms" if case.model == SLOW else ""),
            str(case.concurrency),
            f"{own['per_second']:,.0f}",
            *(f"{own[p]:.2f}" for p in ("p50", "p99")),
            *("" if case.who == "direct" else f"{more:+.2f}" for more in added),
            f"{cpu:.0f}" if cpu else "",
            f"{cpu / bare['cpu']:.1f}" if cpu and bare else "",
        )


def _first(results: Results) -> Iterator[Row]:
    bare = results.of("bare", PLAIN, 1)
    for concurrency in (1, 20):
        direct, run = (results.of(who, PLAIN, concurrency, stream=True) for who in ("direct", "run"))
        if direct and run:
            added = run["first_p50"] - direct["first_p50"]
            yield (
                str(concurrency),
                *(f"{each[p]:.2f}" for each in (direct, run) for p in ("first_p50", "first_p99")),
                f"{added:+.2f}",
                f"{added / bare['p50']:.1f}" if bare else "",
            )


def _chunks(results: Results) -> Iterator[Row]:
    for label, model, concurrency in PACES:
        run = results.of("run", model, concurrency, stream=True)
        costs = _per_chunk(results, model, concurrency)
        if run and costs:
            yield (
                label,
                str(concurrency),
                f"{run['per_second'] * _count(model):,.0f}",
                f"{run['frames'] / _count(model):.2f}",
                *(f"{cost:.1f}" for cost in costs.values()),
                f"{costs['run'] - costs['call']:.1f}",
            )


def _per_chunk(results: Results, model: str, concurrency: int) -> dict[str, float]:
    """Return µs of CPU per chunk of a stream that is read, relayed barely and governed, all without the run."""
    costs = {}
    for who in ("call", "relay", "run"):
        many = results.of(who, model, concurrency, stream=True)
        one = results.of(who, ONE, concurrency, stream=True)
        if not many or not one:
            return {}
        costs[who] = (many["cpu"] - one["cpu"]) / (_count(model) - 1)
    return costs


def _count(model: str) -> int:
    return int(model.partition("chunks=")[2].split(",")[0])


def _processes(results: Results) -> Iterator[Row]:
    if run := results.of("run", PLAIN, 50):
        parts = [run["cpu"], *(run[f"cpu_{name}"] for name in OTHERS)]
        yield [f"{part:.0f}" for part in [*parts, sum(parts)]]

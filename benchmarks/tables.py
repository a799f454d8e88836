"""The figures as Markdown: every table says what it is compared with."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import ONE, PACES, PLAIN, SLOW, Case
from benchmarks.measure import OTHERS, Figures

#: What the product aims at, in microseconds of CPU of the web process beyond the model call.
AIM_RUN, AIM_CHUNK = 400, 12

Found = dict[Case, Figures]

_WHO = {
    "direct": "the model itself",
    "bare": "bare ASGI answer after one Redis call",
    "call": "bare, Redis and the model call",
    "run": "governed run",
}


def report(found: Found, *, rounds: int, seconds: float) -> str:
    """Return all tables that the figures suffice for."""
    parts = [
        _machine(rounds, seconds),
        _aims(found),
        _answers(found),
        _first(found),
        _chunks(found),
        _all(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(rounds: int, seconds: float) -> str:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {cpu.partition(': ')[2] or platform.machine()}, "
        f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, CPython {platform.python_version()}; "
        f"one web process; medians of {rounds} rounds of {seconds:g} s per case."
    )


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(row) for row in rows]
    if not lines:
        return ""
    rule = "|".join(["---", *["---:"] * (len(head) - 1)])
    body = "\n".join(f"| {line} |" for line in lines)
    return f"**{title}**\n\n| {' | '.join(head)} |\n|{rule}|\n{body}"


def _aims(found: Found) -> str:
    rows: list[tuple[str, ...]] = []
    for concurrency in (1, 50):
        run, call, bare = (found.get(Case(who, PLAIN, concurrency)) for who in ("run", "call", "bare"))
        if run and call and bare:
            beyond = run["cpu"] - (call["cpu"] - bare["cpu"])
            rows.append(_aim(f"a run, {concurrency} at once", beyond, AIM_RUN, bare["cpu"]))
    bare = found.get(Case("bare", PLAIN, 50))
    for label, model, concurrency in PACES:
        costs = _per_chunk(found, model, concurrency)
        if costs and bare:
            rows.append(_aim(f"a chunk, {label}", costs[1] - costs[0], AIM_CHUNK, bare["cpu"]))
    return _table(
        "CPU of the web process beyond the model call, µs",
        ("", "measured", "aim", "multiple of bare + Redis"),
        rows,
    )


def _aim(what: str, beyond: float, aim: int, bare: float) -> tuple[str, ...]:
    return (
        what,
        f"**{beyond:.0f}**" if aim == AIM_RUN else f"**{beyond:.1f}**",
        str(aim),
        f"{beyond / bare:.2f}",
    )


def _answers(found: Found) -> str:
    rows = []
    for model, note in ((PLAIN, ""), (SLOW, ", model thinks 200 ms")):
        for case, own in found.items():
            if case.stream or case.model != model:
                continue
            direct = found[Case("direct", model, case.concurrency)]
            bare = found.get(Case("bare", model, case.concurrency))
            rows.append(
                (
                    _WHO[case.who] + note,
                    str(case.concurrency),
                    f"{own['per_second']:,.0f}",
                    *(f"{own[p]:.2f}" for p in ("p50", "p99")),
                    *(f"{own[p] - direct[p]:+.2f}" if case.who != "direct" else "" for p in ("p50", "p99")),
                    f"{own['cpu']:.0f}" if "cpu" in own else "",
                    f"{own['cpu'] / bare['cpu']:.1f}" if bare and "cpu" in own else "",
                )
            )
    head = ("", "at once", "answers/s", "p50 ms", "p99 ms", "added p50", "added p99", "CPU µs", "× bare")
    return _table("Whole answers", head, rows)


def _first(found: Found) -> str:
    rows = []
    for concurrency in (1, 20):
        direct, run = (found.get(Case(who, PLAIN, concurrency, stream=True)) for who in ("direct", "run"))
        bare = found.get(Case("bare", PLAIN, 1))
        if direct and run:
            added = run["first_p50"] - direct["first_p50"]
            rows.append(
                (
                    str(concurrency),
                    *(f"{each[p]:.2f}" for each in (direct, run) for p in ("first_p50", "first_p99")),
                    f"{added:+.2f}",
                    f"{added / bare['p50']:.1f}" if bare else "",
                )
            )
    head = (
        "streams at once",
        "model p50 ms",
        "model p99",
        "governed p50 ms",
        "governed p99",
        "added p50",
        "× bare at 1",
    )
    return _table("First text of a stream", head, rows)


def _per_chunk(found: Found, model: str, concurrency: int) -> tuple[float, float] | None:
    """Return µs of CPU per chunk of reading a stream and of a governed one, what a run costs set aside."""
    chunks = int(model.partition("chunks=")[2].split(",")[0])
    costs = []
    for who in ("call", "run"):
        many, one = found.get(Case(who, model, concurrency, True)), found.get(Case(who, ONE, 10, True))
        if not many or not one:
            return None
        costs.append((many["cpu"] - one["cpu"]) / (chunks - 1))
    return costs[0], costs[1]


def _chunks(found: Found) -> str:
    rows = []
    for label, model, concurrency in PACES:
        if costs := _per_chunk(found, model, concurrency):
            run = found[Case("run", model, concurrency, True)]
            chunks = int(model.partition("chunks=")[2].split(",")[0])
            rows.append(
                (
                    label,
                    str(concurrency),
                    f"{run['per_second'] * chunks:,.0f}",
                    f"{run['frames'] / chunks:.2f}",
                    f"{costs[0]:.1f}",
                    f"{costs[1]:.1f}",
                    f"{costs[1] - costs[0]:.1f}",
                )
            )
    head = (
        "chunks",
        "streams",
        "chunks/s",
        "events per chunk",
        "CPU µs, read only",
        "CPU µs, governed",
        "beyond",
    )
    return _table("Relayed chunks", head, rows)


def _all(found: Found) -> str:
    run = found.get(Case("run", PLAIN, 50))
    if not run:
        return ""
    parts = {"web": run["cpu"], **{name: run[f"cpu_{name}"] for name in OTHERS}}
    row = [*(f"{value:.0f}" for value in parts.values()), f"{sum(parts.values()):.0f}"]
    return _table(
        "CPU of a whole run by process, µs (50 at once, until its rows are committed)",
        ("", *parts, "together"),
        [("governed run", *row)],
    )

"""Reads service targets and measurements, and compares them in one unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agents.demo.material import Material
from agents.demo.reading import read_sentences
from agents.demo.structured import find_tables

_METRICS = (
    ("latency_p50", r"\bp50\b|median"),
    ("latency_p90", r"\bp90\b|90(?:th|\.)? percentile"),
    ("latency_p95", r"\bp95\b|95(?:th|\.)? percentile|95 ?% of (?:all )?requests"),
    ("latency_p99", r"\bp99\b|99(?:th|\.)? percentile|99 ?% of (?:all )?requests"),
    ("latency_max", r"\bmax(?:imum)? (?:response|latency)"),
    ("latency_avg", r"\baverage|\bmean\b|\bavg\b"),
    ("error_rate", r"\berror(?: rate|s)\b|failure rate"),
    ("throughput", r"\bthroughput|requests? per second|requests/s|\brps\b|\btps\b"),
    ("availability", r"\bavailab|uptime"),
    ("cpu", r"\bcpu\b|processor"),
    ("memory", r"\bmemory\b"),
)
_VALUE = re.compile(
    r"(<=|>=|<|>|≤|≥)?\s*(\d[\d,]*(?:\.\d+)?)\s*(ms|milliseconds?|seconds?|sec|s\b|%|percent|requests/s|req/s|rps|/s|MB|GB)?",
    re.I,
)
_TIME = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(ms|milliseconds?|seconds?|s)\b", re.I)


@dataclass(frozen=True, slots=True)
class Target:
    """A target or a measurement in a base unit: ms, percent or requests/s."""

    flow: str
    metric: str
    comparison: str
    value: float
    unit: str
    evidence: str


def read_targets(material: Material) -> tuple[list[Target], list[Target]]:
    """Return targets and measurements."""
    targets: list[Target] = []
    actuals: list[Target] = []
    for table in find_tables(material):
        flow, metric = (
            table.column("flow", "scenario", "operation", "endpoint"),
            table.column("metric", "measure", "indicator"),
        )
        wanted, got = (
            table.column("target", "sla", "slo", "goal"),
            table.column("actual", "measured", "result", "current"),
        )
        for row, line in zip(table.rows, table.lines, strict=True):
            name, words = row.get(flow or "", "") or "all", row.get(metric or "", "") or line
            for column, into in ((wanted, targets), (got, actuals)):
                if column and (read := _read(name, words, row.get(column, ""), line)):
                    into.append(read)
    if not targets:
        targets = [found for item in read_sentences(material.documents) if (found := _from_prose(item.text))]
    return targets, actuals


def compare(targets: list[Target], actuals: list[Target]) -> list[dict[str, Any]]:
    """Return the table of targets against measurements of the same flow, metric and unit."""
    rows = []
    for number, target in enumerate(targets[:40], 1):
        same = [
            item for item in actuals
            if item.flow.lower() == target.flow.lower() and item.metric == target.metric and item.unit == target.unit
        ]  # fmt: skip
        actual = same[-1].value if same else None
        status = "not_measured"
        if actual is not None:
            kept = actual <= target.value if target.comparison == "at_most" else actual >= target.value
            status = "met" if kept else "missed"
        rows.append(
            {
                "id": f"SLA-{number:03}",
                "flow": target.flow,
                "metric": target.metric,
                "comparison": target.comparison,
                "target": target.value,
                "actual": actual,
                "unit": target.unit,
                "status": status,
                "evidence": target.evidence,
            }
        )
    return rows


def _metric(words: str) -> str | None:
    return next((name for name, pattern in _METRICS if re.search(pattern, words, re.IGNORECASE)), None)


def _read(flow: str, words: str, cell: str, line: str) -> Target | None:
    metric, found = _metric(words), _VALUE.search(cell)
    if metric is None or found is None:
        return None
    value, unit = _base(float(found.group(2).replace(",", "")), (found.group(3) or "").lower(), metric)
    sign = found.group(1) or ""
    at_least = ">" in sign or "≥" in sign or (not sign and metric in {"throughput", "availability"})
    name = "all" if flow.lower() in {"all", "*", "any", "overall"} else flow
    return Target(name, metric, "at_least" if at_least else "at_most", value, unit, line)


def _base(value: float, unit: str, metric: str) -> tuple[float, str]:
    """Convert to the base unit of the metric."""
    if metric.startswith("latency"):
        return (
            (value, "ms")
            if unit.startswith(("ms", "milli"))
            else (value * 1000 if unit.startswith("s") else value, "ms")
        )
    if metric in {"error_rate", "availability", "cpu"}:
        return value, "percent"
    return value, "requests/s" if metric == "throughput" else unit or "units"


def _from_prose(sentence: str) -> Target | None:
    """Read a sentence such as 'must answer within 1.5 seconds for 95 % of requests'."""
    metric, found = _metric(sentence), _TIME.search(sentence)
    if found and re.search(r"\b(?:within|under|below|less than|at most|<)", sentence, re.IGNORECASE):
        latency = metric if metric and metric.startswith("latency") else "latency_max"
        value, unit = _base(float(found.group(1).replace(",", "")), found.group(2).lower(), latency)
        return Target("all", latency, "at_most", value, unit, sentence)
    share = re.search(r"(\d+(?:\.\d+)?) ?%", sentence)
    if metric in {"error_rate", "availability"} and share:
        side = "at_least" if metric == "availability" else "at_most"
        return Target("all", metric, side, float(share.group(1)), "percent", sentence)
    return None

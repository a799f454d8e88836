"""Reads ETL results and query statistics from tables."""

from __future__ import annotations

import re
from typing import Any

from agents.demo.material import Material
from agents.demo.structured import Table, find_tables

REGRESSION_PERCENT = 50


def read_etl(material: Material) -> list[dict[str, Any]]:
    """Return one check per source and target pair."""
    checks: list[dict[str, Any]] = []
    for table in find_tables(material):
        columns = {
            "source": table.column("source"),
            "target": table.column("target", "destination"),
            "source_count": table.column(
                "source rows", "source count", "rows in", "source_count", "source_rows"
            ),
            "target_count": table.column(
                "target rows", "target count", "rows out", "target_count", "target_rows"
            ),
            "rejected": table.column("reject"),
            "source_sum": table.column("source checksum", "source hash", "source_checksum"),
            "target_sum": table.column("target checksum", "target hash", "target_checksum"),
        }
        if columns["source_count"] and columns["target_count"]:
            checks += [_check(row, line, columns) for row, line in zip(table.rows, table.lines, strict=True)]
    return checks[:60]


def _check(row: dict[str, str], line: str, columns: dict[str, str | None]) -> dict[str, Any]:
    def cell(name: str) -> str:
        return row.get(columns[name] or "", "")

    source, target, rejected = (
        _whole(cell("source_count")),
        _whole(cell("target_count")),
        _whole(cell("rejected")),
    )
    sums = (cell("source_sum") or None, cell("target_sum") or None)
    status, note = _verdict(source, target, rejected, sums)
    return {
        "name": f"{cell('source') or 'source'} -> {cell('target') or 'target'}",
        "source": cell("source") or "not stated",
        "target": cell("target") or "not stated",
        "source_count": source,
        "target_count": target,
        "rejected_count": rejected,
        "source_checksum": sums[0],
        "target_checksum": sums[1],
        "status": status,
        "note": note,
        "evidence": line,
    }


def _verdict(
    source: int | None, target: int | None, rejected: int | None, sums: tuple[str | None, str | None]
) -> tuple[str, str]:
    if source is None or target is None:
        return "not_measured", "A count is missing; unproved is not proved."
    missing = source - (rejected or 0) - target
    if missing:
        explained = f" after {rejected} explained rejects" if rejected else ""
        return (
            "mismatch",
            f"{abs(missing)} rows {'are missing' if missing > 0 else 'are too many'}{explained}.",
        )
    if all(sums) and sums[0] != sums[1]:
        return "mismatch", "Counts agree, checksums differ: values changed on the way."
    if not all(sums):
        return "match", "Counts agree; no checksum was given, so values are not compared."
    return "match", "Counts and checksums agree."


def read_queries(material: Material) -> list[dict[str, Any]]:
    """Return the queries with statistics; the regression is null when one time is missing."""
    rows: list[dict[str, Any]] = []
    for table in find_tables(material):
        query = table.column("query", "statement", "sql")
        before, after = (
            table.column("before", "baseline", "old"),
            table.column("after", "current", "new", "mean", "time"),
        )
        if query and (before or after):
            rows += _queries_of(table, query, before, after, len(rows))
    return rows[:60]


def _queries_of(
    table: Table, query: str, before: str | None, after: str | None, count: int
) -> list[dict[str, Any]]:
    calls = table.column("calls", "count", "executions")
    rows = []
    for number, (row, line) in enumerate(zip(table.rows, table.lines, strict=True), count + 1):
        text = row.get(query, "")
        old, new = _number(row.get(before or "", "")), _number(row.get(after or "", ""))
        change = round((new - old) / old * 100, 1) if old and new is not None else None
        finding, advice = _finding(text, change)
        rows.append(
            {
                "id": f"QRY-{number:03}",
                "query": text if len(text) <= 300 else text[:297] + "...",
                "before_ms": old,
                "after_ms": new,
                "regression_percent": change,
                "calls": _whole(row.get(calls or "", "")),
                "finding": finding,
                "recommendation": advice,
                "evidence": line,
            }
        )
    return rows


def _finding(query: str, change: float | None) -> tuple[str, str]:
    if change is None:
        return "One of the two times is missing.", "Measure it under the same load before and after."
    if change <= 0:
        return f"{abs(change):g} % faster.", "Nothing."
    if change <= REGRESSION_PERCENT:
        return f"{change:g} % slower, within the tolerance of {REGRESSION_PERCENT} %.", "Watch it."
    table = re.search(r"\bFROM\s+(\w+)", query, re.I)
    columns = re.findall(r"\b(\w+)\s*(?:=|>=|<=|<|>)\s*\$?\w", query)
    order = re.search(r"ORDER BY\s+(\w+(?:\s+DESC)?)", query, re.I)
    keys = ", ".join([*dict.fromkeys(columns), *([order.group(1)] if order else [])])
    advice = (
        f"Look at the plan; an index on {table.group(1)} ({keys}) may help and costs time on every write."
        if table and keys
        else "Look at the plan."
    )
    return f"{change:g} % slower.", advice


def _whole(text: str) -> int | None:
    digits = re.sub(r"[,_ ]", "", text)
    return int(digits) if digits.isdecimal() and len(digits) < 16 else None


def _number(text: str) -> float | None:
    found = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    return float(found.group().replace(",", "")[:15]) if found else None

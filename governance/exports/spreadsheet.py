"""Figures as a file for a spreadsheet, which must take no text in it for a formula."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from agents.models import UsageDay
from governance.usage import HIDDEN, HIDDEN_NAME, Usage, by_day, total_of

COLUMNS: Final = (
    "day", "agent_id", "agent", "runs", "failed", "estimated", "refused", "cost_usd", "input_tokens", "output_tokens",
    "tokens",
)  # fmt: skip
LEDGER_COLUMNS: Final = (
    "day", "tenant", "tenant_name", "agent_id", "runs", "cost_usd", "input_tokens", "output_tokens", "tokens",
)  # fmt: skip


def usage_csv(usage: Usage) -> bytes:
    """Return the figures by day and agent as CSV, in the encoding that every spreadsheet recognises by itself."""
    lines = [
        (row.day, row.agent_id, usage.names[row.agent_id][0], total_of([row]))
        for row in usage.rows
        if row.agent_id in usage.names
    ]
    hidden = by_day(row for row in usage.rows if row.agent_id not in usage.names)
    lines += [(day, HIDDEN, HIDDEN_NAME, total_of(rows)) for day, rows in hidden.items()]
    return _written(
        COLUMNS,
        (
            (
                *(day.isoformat(), inert(agent_id), inert(name)),
                *(total.runs, total.failed, total.estimated, total.refused, dollars(total.cost_micros)),
                *(total.input_tokens, total.output_tokens, total.tokens),
            )
            for day, agent_id, name, total in sorted(lines, key=lambda line: line[:2])
        ),
    )


def ledger_csv(rows: Iterable[UsageDay], tenants: Mapping[UUID, tuple[str, str]]) -> bytes:
    """Return the ledger as CSV; `tenants` has the slug and the name of each, one that is deleted has neither."""
    return _written(
        LEDGER_COLUMNS,
        (
            (
                *(
                    row.day.isoformat(),
                    *(inert(text) for text in tenants.get(row.tenant_id, ("", "deleted"))),
                ),
                *(inert(row.agent_id), row.runs, dollars(row.cost_micros)),
                *(row.input_tokens, row.output_tokens, row.input_tokens + row.output_tokens),
            )
            for row in rows
        ),
    )


def _written(columns: Iterable[str], lines: Iterable[Iterable[object]]) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    writer.writerows(lines)
    return written.getvalue().encode("utf-8-sig")


def dollars(micros: int) -> str:
    """Return millionths of a dollar as dollars, exactly: a sum of the column is the sum of the runs."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that looks like one begins with an apostrophe."""
    # Some spreadsheets read full-width signs as the plain ones, and all of them skip leading blanks.
    return f"'{text}" if unicodedata.normalize("NFKC", text.lstrip()[:1]) in {"=", "+", "-", "@"} else text

"""Figures as a file for a spreadsheet, which must take no text in it for a formula."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import Final

from governance.usage import HIDDEN, HIDDEN_NAME, Usage, by_day, total_of

COLUMNS: Final = (
    "day", "agent_id", "agent", "runs", "failed", "estimated", "input_tokens", "output_tokens", "tokens",
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
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for day, agent_id, name, total in sorted(lines, key=lambda line: line[:2]):
        tokens = (total.input_tokens, total.output_tokens, total.tokens)
        writer.writerow(
            (
                day.isoformat(),
                inert(agent_id),
                inert(name),
                total.runs,
                total.failed,
                total.estimated,
                *tokens,
            )
        )
    return written.getvalue().encode("utf-8-sig")


def inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one that looks like one begins with an apostrophe."""
    # Some spreadsheets read full-width signs as the plain ones, and all of them skip leading blanks.
    return f"'{text}" if unicodedata.normalize("NFKC", text.lstrip()[:1]) in {"=", "+", "-", "@"} else text

"""The figures of `docs/prompt-rules.md`, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from tests.portal import ROOT
from tests.tenants.corpus import Kind
from tests.tenants.corpus.measure import Verdict, rates, share, verdicts

PAGE = ROOT / "docs" / "prompt-rules.md"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def figures() -> str:
    """Return the tables: all, by family, by language, by mutation."""
    parts = [
        "#### All",
        _totals(),
        "#### Attacks refused, by family, as written",
        _table("attacks", "family", "Family"),
        "#### Attacks refused, by language, as written",
        _table("attacks", "language", "Language"),
        "#### Harmless prompts refused, by language, as written",
        _table("harmless", "language", "Language"),
        "#### Attacks refused, by mutation",
        _table("attacks", "mutation", "Mutation"),
        "#### Harmless prompts refused, by mutation",
        _table("harmless", "mutation", "Mutation"),
    ]
    return "\n\n".join(parts) + "\n"


def written() -> str:
    """Return the figures that the page has now."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    """Put the figures into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{figures()}{END}{rest.partition(END)[2]}", encoding="utf-8")


def _totals() -> str:
    rows = ["| | Tuned | Held out |", "|---|---:|---:|"]
    kinds: tuple[tuple[Kind, str], ...] = (
        ("attacks", "Attacks refused"),
        ("harmless", "Harmless prompts refused"),
    )
    for kind, label in kinds:
        tuned, held_out = verdicts("tuned", kind), verdicts("held_out", kind)
        for mutated_too, how in ((False, "as written"), (True, "with mutations")):
            rows.append(
                f"| {label}, {how} | {_total(tuned, mutated_too)} | {_total(held_out, mutated_too)} |"
            )
    return "\n".join(rows)


def _total(found: Iterable[Verdict], mutated_too: bool) -> str:
    counted = [each for each in found if mutated_too or each.mutation == "as written"]
    return f"{sum(bool(each.found) for each in counted)} of {len(counted)} ({share(counted, mutated_too=True):.1%})"


def _table(kind: Kind, by: str, heading: str) -> str:
    tuned, held_out = rates(verdicts("tuned", kind), by), rates(verdicts("held_out", kind), by)
    rows = [f"| {heading} | Tuned | Held out |", "|---|---:|---:|"]
    for key in sorted({*tuned, *held_out}):
        rows.append(f"| {key.replace('_', ' ')} | {_cell(tuned.get(key))} | {_cell(held_out.get(key))} |")
    return "\n".join(rows)


def _cell(rate: tuple[int, int] | None) -> str:
    return f"{rate[0]} of {rate[1]}" if rate else ""

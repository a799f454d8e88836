"""The figures of `docs/prompt-rules.md`, as Markdown."""

from __future__ import annotations

from tests.portal import ROOT
from tests.tenants.corpus import Kind, Part
from tests.tenants.corpus.measure import PLAIN, rates, verdicts

PAGE = ROOT / "docs" / "prompt-rules.md"
PARTS: tuple[Part, ...] = ("tuned", "held_out", "paraphrased")
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
    rows = [_heading("")]
    kinds: tuple[tuple[Kind, str], ...] = (
        ("attacks", "Attacks refused"),
        ("harmless", "Harmless prompts refused"),
    )
    for kind, label in kinds:
        for how, chosen in (("as written", PLAIN), ("with mutations", None)):
            cells = " | ".join(_total(part, kind, chosen) for part in PARTS)
            rows.append(f"| {label}, {how} | {cells} |")
    return "\n".join(rows)


def _total(part: Part, kind: Kind, mutation: str | None) -> str:
    found = [each for each in verdicts(part, kind) if mutation in (None, each.mutation)]
    hits = sum(bool(each.found) for each in found)
    return f"{hits} of {len(found)} ({hits / len(found):.1%})"


def _table(kind: Kind, by: str, heading: str) -> str:
    found = [rates(verdicts(part, kind), by) for part in PARTS]
    rows = [
        f"| {key.replace('_', ' ')} | {' | '.join(_cell(each.get(key)) for each in found)} |"
        for key in sorted({key for each in found for key in each})
    ]
    return "\n".join([_heading(heading), *rows])


def _heading(first: str) -> str:
    return f"| {first} | Tuned | Held out | Paraphrased |\n|---|---:|---:|---:|"


def _cell(rate: tuple[int, int] | None) -> str:
    return f"{rate[0]} of {rate[1]}" if rate else ""

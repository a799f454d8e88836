"""`make bench`: start everything, measure, print the tables, write the figures as JSON.

python -m benchmarks [--only answers first chunks resolving guard] [--rounds N] [--seconds S] [--write-docs]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import orjson

from benchmarks import guard, resolve
from benchmarks.cases import cases
from benchmarks.load import WrongAnswerError
from benchmarks.measure import measure
from benchmarks.stage import stage
from benchmarks.tables import report
from qualisys.environment import ROOT

RESULTS = ROOT / ".bench" / "latest.json"
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"
GROUPS = ("answers", "first", "chunks", "resolving", "guard")


def main() -> int:
    """Measure what the options choose; with all cases and the usual options it takes about four minutes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="groups of cases")
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each time")
    parser.add_argument(
        "--patience", type=float, default=0, help="seconds for measuring again what other programs disturbed"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help=f"put the tables into {DOCS.relative_to(ROOT)}"
    )
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if len(cores) < 2:
        print("The benchmarks need Linux and two cores: one is the web process's own.", file=sys.stderr)
        return 2
    chosen = [case for case in cases() if case.group in options.only]
    try:
        with stage(cores) as running:
            results = measure(
                running,
                chosen,
                rounds=options.rounds,
                seconds=options.seconds,
                patience=options.patience,
                say=_say,
            )
            if "resolving" in options.only:
                results.resolving.update(resolve.figures(running, options.seconds))
            if "guard" in options.only:
                results.guard.update(guard.figures(running, min(options.seconds, 0.5)))
    except WrongAnswerError as error:
        print(
            f"A request was answered wrongly, so nothing that was measured counts:\n{error}", file=sys.stderr
        )
        return 1
    text = report(results)
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    (RESULTS.parent / ".gitignore").write_text("*\n")
    RESULTS.write_bytes(orjson.dumps(results.as_json(), option=orjson.OPT_INDENT_2))
    _say(f"the figures are in {RESULTS.relative_to(ROOT)}")
    if options.write_docs:
        write(DOCS, text)
    return 0


def write(page: Path, text: str) -> None:
    """Replace the tables of the page, which are between two markers."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{page} has lost the markers around its tables")
    page.write_text(f"{before}{BEGIN}{text}{END}{after}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())

"""Recall and false positives of the built-in patterns over the corpus, as they are and under each mutation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from tenants.prompts import patterns, rules
from tests.tenants.corpus import Entry, Kind, Part, load
from tests.tenants.corpus.mutations import MUTATIONS, mutated

PLAIN = "as written"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a pattern was found in one text of the corpus, under one mutation."""

    entry: Entry
    mutation: str
    found: str


def judge(text: str) -> str:
    """Return the name of the first pattern found in `text`, or an empty text."""
    return next(
        (each.pattern for each in rules.examine(text, patterns.builtin()).findings if each.pattern), ""
    )


@cache
def verdicts(part: Part, kind: Kind) -> tuple[Verdict, ...]:
    """Return the verdict on every text of a part, as written and under each mutation that changes it."""
    return tuple(_verdicts(load(part, kind)))


def _verdicts(entries: Iterable[Entry]) -> Iterator[Verdict]:
    for entry in entries:
        yield Verdict(entry, PLAIN, judge(entry.text))
        for name in MUTATIONS:
            text = mutated(name, entry.id, entry.text)
            if text != entry.text:
                yield Verdict(entry, name, judge(text))


def rates(found: Iterable[Verdict], by: str) -> dict[str, tuple[int, int]]:
    """Return (found, of) by `family`, `language` or `mutation`; the mutated texts count only for the last."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for each in found:
        if by != "mutation" and each.mutation != PLAIN:
            continue
        key = each.mutation if by == "mutation" else getattr(each.entry, by)
        counts[key][0] += bool(each.found)
        counts[key][1] += 1
    return {key: (hits, of) for key, (hits, of) in sorted(counts.items())}


def share(found: Iterable[Verdict], *, mutated_too: bool) -> float:
    """Return the share of texts in which a pattern was found."""
    counted = [bool(each.found) for each in found if mutated_too or each.mutation == PLAIN]
    return sum(counted) / len(counted)

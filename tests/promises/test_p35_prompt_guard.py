"""Recall and false positives of the prompt guard, on a corpus whose hashes were committed before they were measured.

The thresholds lie a safe distance below what was measured (`docs/prompt-rules.md` has the figures): they notice a
rule that broke, they are no aim. For paraphrases there is none, because there the guard does not hold.
"""

from __future__ import annotations

import pytest

from tests.tenants.corpus import Kind, Part, changed_files, load, page
from tests.tenants.corpus.measure import PLAIN, rates, share, verdicts
from tests.tenants.corpus.mutations import MUTATIONS, mutated

pytestmark = pytest.mark.promise

PARTS: tuple[Part, ...] = ("tuned", "held_out", "paraphrased")
KINDS: tuple[Kind, ...] = ("attacks", "harmless")
#: Mutations that take nothing away from a reader, so that nearly all that is found without them is found with them.
PLAIN_TO_THE_EYE = (
    "zero_width", "bidi", "tag_noise", "marks", "fullwidth", "mathematical", "accents", "case", "line_breaks",
    "carried",
)  # fmt: skip


def test_corpus__held_out_and_paraphrased__are_what_was_committed() -> None:
    """P35: whoever changes these files has measured something else."""
    assert changed_files() == []


def test_corpus__is_large_and_varied_enough() -> None:
    """P35"""
    attacks = [entry for part in PARTS for entry in load(part, "attacks")]
    harmless = [entry for part in PARTS for entry in load(part, "harmless")]
    assert (len(attacks) >= 150, len(harmless) >= 300) == (True, True)
    assert len({entry.family for entry in attacks}) >= 12
    assert len({entry.language for entry in harmless}) >= 8
    assert len({entry.text for entry in [*attacks, *harmless]}) == len(attacks) + len(harmless)
    held_out = len(load("held_out", "attacks")) + len(load("held_out", "harmless"))
    tuned = len(load("tuned", "attacks")) + len(load("tuned", "harmless"))
    assert 0.35 <= held_out / (held_out + tuned) <= 0.45


@pytest.mark.parametrize("part", ["tuned", "held_out"])
def test_attacks__as_written__are_refused(part: Part) -> None:
    """P35"""
    assert share(verdicts(part, "attacks"), mutated_too=False) >= 0.95


@pytest.mark.parametrize("part", ["tuned", "held_out"])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_attacks__dressed_up__are_refused(part: Part, mutation: str) -> None:
    """P35"""
    hits, of = rates(verdicts(part, "attacks"), "mutation")[mutation]
    assert hits / of >= (0.93 if mutation in PLAIN_TO_THE_EYE else 0.85)


@pytest.mark.parametrize("part", PARTS)
def test_harmless__as_written__pass(part: Part) -> None:
    """P35"""
    refused = [
        (each.found, each.entry.text)
        for each in verdicts(part, "harmless")
        if each.mutation == PLAIN and each.found
    ]
    assert len(refused) <= 0.04 * len(load(part, "harmless")), refused


@pytest.mark.parametrize("part", PARTS)
def test_harmless__dressed_up__pass(part: Part) -> None:
    """P35"""
    assert share(verdicts(part, "harmless"), mutated_too=True) <= 0.03


def test_figures__in_the_documents__are_the_measured_ones() -> None:
    """P35: published figures are generated (`python -m tests.tenants.corpus --write`), never typed."""
    assert page.written() == page.figures()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutation__is_the_same_every_time_and_changes_the_text(mutation: str) -> None:
    """P35: figures that nobody can reproduce are none."""
    entry = load("tuned", "attacks")[0]
    once = mutated(mutation, entry.id, entry.text)
    assert once == mutated(mutation, entry.id, entry.text)
    assert once != entry.text

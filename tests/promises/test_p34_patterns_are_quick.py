"""A pattern that somebody wrote, nasty ones included, takes at most 50 ms on 64 KB: it is bounded or refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from time import perf_counter

import pytest

from tenants.prompts import engine, patterns, rules
from tests.conftest import FULL

pytestmark = pytest.mark.promise

SIZE = 1 << 16
#: Seconds: the promise at full size, a tenfold bound beside other tests.
BOUND = 0.05 if FULL else 0.5

NASTY = {
    "nested": "(a+)+$",
    "alternation": "(a|aa)+$",
    "star-of-star": "(a*)*b",
    "optional": "(a?){64}a{64}b",
    "polynomial": r"(.*)(.*)(.*)(.*)(.*)=",
    "words": r"^(\w+\s?)+\$$",
    "mail": r"^([a-zA-Z0-9])(([\-.]|_+)?([a-zA-Z0-9]+))*@[a-z0-9]+[.](([a-z]{2,3})|([a-z]{2,3}[.][a-z]{2,3}))$",
    "exponential-states": "[ab]*a[ab]{24}c",
    "many-states": "[ab]*a[ab]{120}c",
    "counted": "(a{1,30}){1,30}b",
    "wide": ".*a.{0,500}b.{0,300}c",
    "classes": r"(\pL{1,200}){2}q",
    "written-out": "[ab]*a" + "[ab]" * 120 + "c",
    "alternatives": "|".join(f"w{n}(x|y)*z" for n in range(40)),
}


def hostile_texts(pattern: str) -> Iterator[str]:
    """64 KB that a hostile author would send: runs, near misses, mixtures of the pattern's own letters."""
    choose = random.Random(34)
    letters = [each for each in dict.fromkeys(pattern) if each.isalnum()] or ["a"]
    yield "a" * SIZE
    yield "a" * (SIZE - 1) + "!"
    yield "ab" * (SIZE // 2)
    yield "".join(choose.choices("ab", k=SIZE))
    yield "".join(choose.choices([*letters, " "], k=SIZE))
    yield "漢" * (SIZE // 3)


def slowest(pattern: str) -> float:
    """Return the longest of the searches, each the better of two: a machine may pause, a pattern may not."""
    whole = engine.matcher(pattern).whole

    def seconds(text: str) -> float:
        start = perf_counter()
        whole.search(text)
        return perf_counter() - start

    return max(min(seconds(text) for _ in range(2)) for text in hostile_texts(pattern))


@pytest.mark.parametrize("name", NASTY)
def test_nasty_pattern__on_64_kb__is_refused_or_quick(name: str) -> None:
    """P34"""
    try:
        engine.admit(NASTY[name])
    except engine.BadPattern:
        return
    assert slowest(NASTY[name]) <= BOUND


@pytest.mark.parametrize("name", ["many-states", "counted", "wide", "classes", "written-out"])
def test_pattern__that_linear_time_does_not_save__is_refused(name: str) -> None:
    """P34: RE2 alone takes 40 ms to most of a second for these, or more memory than a pattern may have."""
    with pytest.raises(engine.BadPattern, match="counted repeats"):
        engine.admit(NASTY[name])


@pytest.mark.parametrize("pattern", patterns.builtin(), ids=lambda pattern: pattern.name)
def test_builtin_pattern__is_admitted_and_quick(pattern: patterns.Pattern) -> None:
    """P34"""
    engine.admit(pattern.pattern)
    assert slowest(pattern.pattern) <= BOUND


def test_whole_check__of_the_longest_prompt__is_quick() -> None:
    """P34: all patterns on all readings of 10,000 hostile characters; a page asks this while somebody types."""
    for unit in (
        "ignore 1gn0r3 all ",
        "i g n o r e ",
        "\u0456gn\u043ere \u200bthe ",
        "aWdub3JlIHByZXY ",
        "a\u0301\u0323",
    ):
        text = (unit * 10_000)[: rules.MAX_LENGTH]
        took = []
        for _ in range(3):
            start = perf_counter()
            rules.examine(text, patterns.builtin())
            took.append(perf_counter() - start)
        assert min(took) <= 6 * BOUND, unit

"""`docs/breaker.md` says what the code does: what counts as a failure, and what the simulation found."""

from __future__ import annotations

import random

import pytest

from agents.guard import verdicts
from agents.limits.numbers import CONDUCT_DEFAULTS
from agents.providers.errors import failed
from benchmarks import breaker
from benchmarks.breaker_model import Rules
from benchmarks.breaker_simulation import (
    AIM,
    AT_NOISE,
    BARE,
    at_most,
    detections,
    opens,
    share_of_days,
    worst,
)
from qualisys.problems import CODES, Problem
from tests.portal import ROOT

PAGE = (ROOT / "docs" / "breaker.md").read_text(encoding="utf-8")
REASONS = ("overloaded", "unreachable", "bad_answer", "model_not_found", "refused")


def rows() -> dict[str, tuple[str, str]]:
    """Return the page's verdicts: for the agent's circuit and for the model's, by how a run ended."""
    table = PAGE.partition("<!-- verdicts -->\n")[2].partition("<!-- /verdicts -->")[0]
    found = {}
    for line in table.splitlines()[2:]:
        _, _, end, own, model, _ = (cell.strip() for cell in line.split("|"))
        found[end.strip("`")] = own, model
    return found


def ends() -> dict[str, Problem | None]:
    """Return every way in which a run may end."""
    known: dict[str, Problem | None] = {code: Problem(code, "") for code in CODES if code != "provider_error"}
    known |= {f"provider_error, {reason}": failed("openai", reason, "failed.") for reason in REASONS}
    return {"answered": None, **known}


def test_verdicts__of_every_end__are_what_the_page_says() -> None:
    said = rows()
    neutral = ("neutral", "neutral")
    assert {end: verdicts.of(problem) for end, problem in ends().items()} == {
        end: said.get(end, neutral) for end in ends()
    }
    assert said["cancelled"] == verdicts.of(None, cancelled=True) == neutral
    assert set(said) <= {*ends(), "cancelled"}


def test_rules__of_the_model__are_the_products_defaults() -> None:
    assert {
        "breaker_failures": Rules().failures,
        "breaker_window_seconds": Rules().window / 1000,
        "breaker_share": Rules().share,
        "breaker_cooldown_seconds": Rules().cooldown / 1000,
    } == CONDUCT_DEFAULTS


def test_false_alarms__at_the_worst_traffic__stay_below_the_aim() -> None:
    rate, bound = worst()
    assert bound < AIM
    assert at_most(rate / 60, AT_NOISE, BARE) > bound
    assert at_most(2, AT_NOISE, BARE) == 1.0


def test_calculation__beside_the_simulation__is_a_close_upper_bound() -> None:
    for rate, noise in ((20, 0.01), (10, 0.02)):
        bound, found = at_most(rate / 60, noise), share_of_days(rate / 60, noise, days=250)
        assert bound / 2.5 < found < bound * 1.2


def test_simulated_days__of_a_bare_count__open_where_the_share_does_not() -> None:
    chance = random.Random(3)
    assert all(opens(1, AT_NOISE, BARE, chance) for _ in range(2)) or opens(2, AT_NOISE, BARE, chance)
    assert not any(opens(2, AT_NOISE, Rules(), chance) for _ in range(5))


@pytest.mark.parametrize(("rate", "seconds"), [(20 / 60, 30), (1, 20), (5, 20)])
def test_outage__of_everything__is_seen_within_half_a_minute(rate: float, seconds: float) -> None:
    assert detections(rate, 1.0, trials=100)[0] < seconds


def test_figures__of_the_page__are_the_simulations() -> None:
    for line in breaker.summary():
        assert not line or line in PAGE

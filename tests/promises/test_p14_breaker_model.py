"""P14: the guard's circuits and a pure model of them, step by step: whatever happens, they never differ."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from agents.guard import Plan
from benchmarks.breaker_model import Rules, Verdict
from tests.breaker import Guard, Pair, plan
from tests.conftest import FULL

pytestmark = pytest.mark.promise

#: Steps in all, and how many machines take at most how many each.
STEPS, MACHINES, EACH = (10_000, 160, 100) if FULL else (500, 25, 50)

VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(["ok", "failure", "neutral"])
WHICH = st.integers(0, 4)
#: Around the ends of buckets, cool-downs, a probe's lease and the window.
SECONDS = st.sampled_from([1, 5, 9, 10, 11, 30, 59, 60, 61, 64, 65, 100, 110, 119, 120, 121, 130, 600])
RULES = st.builds(
    Rules,
    failures=st.sampled_from([1, 2, 3, 5]),
    window=st.sampled_from([10_000, 25_000, 120_000]),
    cooldown=st.sampled_from([10_000, 60_000]),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)


@cache
def guard() -> Guard:
    return Guard()


@pytest.fixture(autouse=True)
def leave_nothing() -> Iterator[None]:
    yield
    guard().redis.flushdb()


class Circuits(RuleBasedStateMachine):
    """Agents and tenants, unchanged and customized, with and without a second model, over the same circuits."""

    both: Pair
    steps = 0

    @initialize(rules=st.one_of(st.just(Rules()), RULES), shadow=st.booleans())
    def begin(self, rules: Rules, shadow: bool) -> None:
        self.both = Pair(guard())
        self.plans = [
            plan("a", 1, rules=rules),
            plan("b", 1, rules=rules),
            plan("a", 2, ("m", "n"), rules),
            plan("b", 3, ("n", "m"), rules, shadow=shadow),
            plan("a", 3, ("m",), rules, customized=True),
        ]
        self.under_way: list[str] = []
        self.ended: list[str] = []

    @rule(which=WHICH)
    def admit(self, which: int) -> None:
        if isinstance(run := self.both.admit(self.plans[which]), str):
            self.under_way.append(run)

    @rule(data=st.data(), own=VERDICTS, model=st.none() | VERDICTS)
    def settle(self, data: Any, own: Verdict, model: Verdict | None) -> None:
        if self.under_way:
            self.both.settle(self.left(data), own, model)

    @rule(data=st.data())
    def settle_again(self, data: Any) -> None:
        if self.ended:
            self.both.settle(data.draw(st.sampled_from(self.ended)), "failure")

    @rule(data=st.data())
    def take_back(self, data: Any) -> None:
        if self.under_way:
            self.both.take_back(self.left(data))

    @rule(data=st.data(), seconds=st.integers(1, 90))
    def advance(self, data: Any, seconds: int) -> None:
        if self.under_way:
            self.both.advance(data.draw(st.sampled_from(self.under_way)), seconds)

    @rule(which=WHICH, good=st.sampled_from([0, 0, 0, 20, 45, 46]), bad=st.sampled_from([5, 5, 1, 4, 6]))
    def fail(self, which: int, good: int, bad: int) -> None:
        self.both.runs_of(self.plans[which], good, "ok")
        self.both.runs_of(self.plans[which], bad, "failure")

    @rule(which=WHICH, own=VERDICTS, lost=st.booleans())
    def fail_and_probe(self, which: int, own: Verdict, lost: bool) -> None:
        """Open it, and try again; the probe ends, or its process is gone and it ends when nobody waits for it."""
        of = self.plans[which]
        self.both.runs_of(of, 5, "failure")
        self.both.wait(60)
        if isinstance(run := self.both.admit(of), str):
            self.both.check()
            if lost:
                self.both.wait(of.seconds + 5)
            self.admit(which)
            self.both.settle(run, own)
            self.ended.append(run)

    @rule(seconds=SECONDS)
    def wait(self, seconds: int) -> None:
        self.both.wait(seconds)

    @rule(data=st.data())
    def reset(self, data: Any) -> None:
        if names := sorted(self.both.breaker.circuits):
            self.both.reset(data.draw(st.sampled_from(names)))

    @invariant()
    def same(self) -> None:
        Circuits.steps += 1
        self.both.check()

    def left(self, data: Any) -> str:
        run: str = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(run)
        self.ended.append(run)
        return run


def test_circuits__whatever_happens__never_differ_from_the_model() -> None:
    """P14"""
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Circuits,
        settings=settings(
            max_examples=MACHINES,
            stateful_step_count=EACH,
            deadline=None,
            suppress_health_check=checks,
            derandomize=not FULL,
            # Making a failure small takes minutes.
            phases=list(Phase) if FULL else [Phase.generate],
            database=None,
        ),
    )
    print(f"P14: {Circuits.steps:,} steps, no divergence")
    assert Circuits.steps >= STEPS


def test_plans__of_the_machine__meet_the_circuits_they_are_meant_to() -> None:
    """P14: agent and model for unchanged runs, the tenant's own for customized ones."""

    def names(of: Plan) -> list[str]:
        return of.circuits_of(of.candidates[0])[:2]

    assert names(plan("a", 1)) == names(plan("a", 2)) == ["circuit:a|openai|m", "circuit:*|openai|m"]
    assert names(plan("a", 3, customized=True)) == [f"circuit:a@{plan('a', 3).tenant_id}|openai|m", ""]

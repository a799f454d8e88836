"""The breaker's rule, condition by condition, on the real scripts and on the model that the simulation runs on."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from benchmarks.breaker_model import Refused, Rules, Verdict
from tests.breaker import Guard, Pair, plan

VERDICTS: list[Verdict] = ["ok", "ok", "ok", "failure", "failure", "failure", "neutral"]
OWN, OF_MODEL = "circuit:a|openai|m", "circuit:*|openai|m"
A, B = plan("a"), plan("b")


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.redis.flushdb()
    guard.redis.close()


@pytest.fixture
def both(guard: Guard) -> Iterator[Pair]:
    both = Pair(guard)
    yield both
    both.check()


def state(both: Pair, name: str = OWN) -> str:
    both.check()
    return both.breaker.read(name, both.now)[0]


def test_circuit__five_failures__refuses_for_a_minute(both: Pair) -> None:
    assert both.runs_of(A, 7, "failure") == 5
    both.wait(59)
    assert both.admit(A) == Refused("open", 1000)
    both.wait(1)
    assert isinstance(both.admit(A), str)


def test_circuit__four_failures__stays_closed(both: Pair) -> None:
    both.runs_of(A, 4, "failure")
    both.runs_of(A, 30, "ok")
    assert state(both) == "closed"


@pytest.mark.parametrize(("seconds", "expected"), [(120, "open"), (121, "closed")])
def test_circuit__fifth_failure_late__counts_within_the_window(
    both: Pair, seconds: int, expected: str
) -> None:
    both.runs_of(A, 1, "failure")
    both.wait(seconds)
    both.runs_of(A, 4, "failure")
    assert state(both) == expected


@pytest.mark.parametrize(("good", "expected"), [(45, "open"), (46, "closed")])
def test_circuit__failures_among_many__counts_their_share(both: Pair, good: int, expected: str) -> None:
    both.runs_of(A, good, "ok")
    both.runs_of(A, 5, "failure")
    assert state(both) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(129, "closed"), (130, "open")])
def test_circuit__good_runs_of_the_oldest_bucket__count_as_a_whole(
    both: Pair, seconds: int, expected: str
) -> None:
    both.runs_of(A, 46, "ok")
    both.wait(seconds)
    both.runs_of(A, 5, "failure")
    assert state(both) == expected


def test_circuit__share_of_nothing__counts_alone(both: Pair) -> None:
    bare = plan("a", rules=Rules(share=0.0))
    both.runs_of(bare, 500, "ok")
    both.runs_of(bare, 5, "failure")
    assert state(both) == "open"


def test_neutral_runs__in_any_number__say_nothing(both: Pair) -> None:
    both.runs_of(A, 50, "neutral")
    both.runs_of(A, 5, "failure")
    assert state(both) == "open"


def test_probe__one_at_a_time__its_verdict_decides(both: Pair) -> None:
    both.runs_of(A, 5, "failure")
    both.wait(60)
    probe = both.admit(A)
    assert isinstance(probe, str)
    assert isinstance(both.admit(A), Refused)
    both.settle(probe, "failure")
    assert state(both) == "open"
    both.wait(60)
    probe = both.admit(A)
    assert isinstance(probe, str)
    both.settle(probe, "ok")
    assert state(both) == "closed"


def test_probe__that_says_nothing__leaves_the_next_run_to_try(both: Pair) -> None:
    both.runs_of(A, 5, "failure")
    both.wait(60)
    for end in (both.settle, lambda run, _: both.take_back(run)):
        probe = both.admit(A)
        assert isinstance(probe, str)
        end(probe, "neutral")
    assert isinstance(both.admit(A), str)


def test_probe__whose_process_died__is_replaced_when_its_lease_ends_and_is_heard_no_more(both: Pair) -> None:
    both.runs_of(A, 5, "failure")
    both.wait(60)
    lost = both.admit(A)
    both.wait(A.seconds + 4)
    assert isinstance(both.admit(A), Refused)
    both.wait(1)
    second = both.admit(A)
    assert isinstance(lost, str)
    assert isinstance(second, str)
    both.settle(lost, "ok")
    assert state(both) == "half_open"
    both.settle(second, "ok")
    assert state(both) == "closed"


def test_late_result__of_a_run_from_before__changes_nothing(both: Pair) -> None:
    early = [both.admit(A) for _ in range(3)]
    both.runs_of(A, 5, "failure")
    for run, verdict in zip(early, VERDICTS[2::2], strict=False):
        assert isinstance(run, str)
        both.settle(run, verdict)
    assert both.admit(A) == Refused("open", 60_000)


def test_models_circuit__one_agent_fails__stays_closed_for_the_others(both: Pair) -> None:
    both.runs_of(A, 5, "failure")
    assert (state(both), state(both, OF_MODEL)) == ("open", "closed")
    assert both.runs_of(B, 3, "ok") == 3


def test_models_circuit__two_agents_fail__opens_for_all(both: Pair) -> None:
    both.runs_of(B, 2, "failure")
    both.runs_of(A, 3, "failure")
    assert (state(both), state(both, OF_MODEL)) == ("closed", "open")
    assert isinstance(both.admit(plan("c")), Refused)


def test_customized_tenant__fails__opens_its_own_circuit_only(both: Pair) -> None:
    own = plan("a", 2, customized=True)
    assert both.runs_of(own, 9, "failure") == 5
    assert (state(both), state(both, OF_MODEL)) == ("closed", "closed")
    assert both.runs_of(A, 3, "ok") == 3


def test_fallback__first_model_open__next_one_is_called(both: Pair) -> None:
    two = plan("a", models=("m", "n"))
    both.runs_of(two, 5, "failure")
    run = both.admit(two)
    assert isinstance(run, str)
    assert both.plans[run][1] == 2


def test_provider_that_asks_for_a_pause__is_left_alone_until_it_is_over(both: Pair) -> None:
    run = both.admit(A)
    assert isinstance(run, str)
    assert both.advance(run, 20) == 0
    both.wait(19)
    assert both.admit(A) == Refused("limited", 1000)
    both.wait(1)
    assert isinstance(both.admit(A), str)


def test_shadow__open_circuit__notes_it_and_lets_go_on(both: Pair) -> None:
    both.runs_of(A, 5, "failure")
    assert both.runs_of(plan("a", shadow=True), 3, "ok") == 3


def test_reset__open_circuit__forgets(both: Pair) -> None:
    both.runs_of(A, 5, "failure")
    both.reset(OWN, OF_MODEL)
    assert both.runs_of(A, 4, "failure") == 4
    assert state(both) == "closed"


def test_random_runs__in_great_number__both_say_the_same(both: Pair) -> None:
    choose = random.Random(14)
    plans = [A, B, plan("a", 2, customized=True), plan("a", 3, models=("n", "m"))]
    under_way: list[str] = []
    for _ in range(1500):
        if under_way and choose.random() < 0.55:
            ended = under_way.pop(choose.randrange(len(under_way)))
            both.settle(ended, choose.choice(VERDICTS))
        elif isinstance(run := both.admit(choose.choice(plans)), str):
            under_way.append(run)
        if choose.random() < 0.2:
            both.wait(choose.choice((0, 1, 7, 60)))
        both.check()

"""What the health page draws: bars, lines and strips from plain figures, and whose events it reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from agents.ledger import Used
from agents.models import GuardEvent
from governance.health import charts, history
from governance.health.budget import Budget, budgets
from governance.health.history import Change, Hour
from governance.health.page import light
from qualisys import tenancy
from tests.connections import as_platform

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
LOG = """INSERT INTO agent_execution_log VALUES (gen_random_uuid(), %s, %s, gen_random_uuid(), '1.0.0', 'stable', '',
 'openai', 'm', 2, 1, 1, false, 1, 1, 'success', '', '', false, false, now())"""
FIRST = history.first_hour(NOW)


def change(kind: str, minutes_ago: int, *, is_model: bool = False) -> Change:
    at = NOW - timedelta(minutes=minutes_ago)
    return Change(at, f"circuit.{kind}", "p", "m", is_model, is_own=False, reason="")


def hour(number: int, runs: int, errors: int = 0, timeouts: int = 0) -> Hour:
    return Hour(FIRST + timedelta(hours=number), runs, errors, timeouts)


@pytest.fixture
def own_event(database: None, tenants: dict[str, tenancy.Tenant]) -> str:
    """A change of a circuit that acme has for itself."""
    agent = f"own-{uuid4().hex}"
    with tenancy.use(tenancy.platform("tests")):
        GuardEvent.objects.create(id=agent, at=datetime.now(UTC), kind="circuit.opened", agent_id=agent,
                                  tenant_id=tenants["acme"].id, provider="p", model="m")  # fmt: skip
    return agent


def test_changes__of_a_tenants_own_circuit__are_told_to_nobody_else(
    own_event: str, tenants: dict[str, tenancy.Tenant]
) -> None:
    found = {}
    for slug in ("acme", "globex"):
        with tenancy.use(tenants[slug]):
            found[slug] = history.changes(tenants[slug].id, datetime.now(UTC)).met_by(own_event, [])
    assert [each.is_own for each in found["acme"]] == [True]
    assert found["globex"] == []


@pytest.mark.parametrize(("kept", "seen"), [(10**6, [0, 0]), (0, [1, 2])], ids=["took long", "took nothing"])
def test_counted__is_kept_in_proportion_to_what_it_took(
    tenants: dict[str, tenancy.Tenant], monkeypatch: pytest.MonkeyPatch, kept: int, seen: list[int]
) -> None:
    monkeypatch.setattr(history, "KEPT", kept)
    monkeypatch.setattr(history, "_counted", {})
    tenant, agent, found = tenants["spare_2"], f"counted-{uuid4().hex}", []
    with tenancy.use(tenant), as_platform() as connection:
        history.counted(tenant.id, datetime.now(UTC))
        for _ in range(2):
            connection.execute(LOG, [agent, tenant.id])
            hours, _ = history.counted(tenant.id, datetime.now(UTC))
            found.append(sum(hour.runs for hour in hours.get(agent, ())))
    assert found == seen


@pytest.mark.parametrize(
    ("used", "limit", "percent", "level", "word"),
    [(0, None, 0, "healthy", ""), (799, 1000, 79.9, "healthy", ""), (800, 1000, 80, "attention", "Over 80 %"),
     (900, 1000, 90, "attention", "Over 90 %"), (1000, 1000, 100, "broken", "Used up"),
     (1500, 1000, 150, "broken", "Used up"), (0, 0, 100, "broken", "Used up")],
)  # fmt: skip
def test_budget__at_its_marks__changes_level_and_word(
    used: float, limit: float | None, percent: float, level: str, word: str
) -> None:
    budget = Budget("day", is_money=False, used=used, reserved=0, limit=limit)
    assert (budget.percent, budget.level, budget.word) == (percent, level, word)
    assert 0 <= budget.settled_width + budget.reserved_width <= 100


def test_budgets__reserved__is_what_the_ledger_does_not_have() -> None:
    shown: dict[str, dict[str, Any]] = {
        "daily_tokens": {"used": 700, "limit": 1000}, "monthly_tokens": {"used": 900, "limit": None},
        "daily_cost": {"used": 0.5, "limit": 2.0}, "monthly_cost": {"used": 0.004, "limit": 0.0},
    }  # fmt: skip
    found = budgets(shown, Used("a", day_tokens=500, day_cost=500_000, month_tokens=900, month_cost=9_000))
    assert [budget.reserved for budget in found] == [200, 0, 0, 0]
    assert (found[0].settled_width, found[0].reserved_width) == (50, 20)
    assert [budget.words for budget in found] == [
        "700 tokens of 1,000 tokens", "900 tokens, not limited", "$0.50 of $2.00", "$0.0040 of $0.00",
    ]  # fmt: skip


def test_rates__hours_without_runs__break_the_line() -> None:
    rates = charts.rates([hour(0, 10, 1), hour(1, 10), hour(5, 4, 0, 1)], NOW)
    assert rates.top == 25
    assert rates.errors_path == "M0.5 24.0L1.5 40.0M5.5 40.0"
    assert rates.timeouts_points == "M5.5 0.0h0"
    assert (rates.errors_percent, rates.timeouts_percent) == (4.2, 4.2)


def test_rates__of_nothing__are_nothing() -> None:
    rates = charts.rates([], NOW)
    assert (rates.errors_path, rates.errors_points, rates.errors_percent) == ("", "", 0)


def test_strip__opened_tried_and_closed__has_both_stretches() -> None:
    told = [change("opened", 120), change("half_open", 60), change("closed", 30)]
    assert charts.strip(told, [(False, "closed", None)], NOW) == [
        charts.Stretch("half_open", 1380, 30), charts.Stretch("open", 1320, 60),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "state", "since", "expected"),
    [([], "closed", None, []), ([], "open", timedelta(hours=2), [("open", 1320, 120)]),
     ([], "open", timedelta(days=3), [("open", 0, 1440)]), ([change("reset", 60)], "closed", None, [("open", 0, 1380)]),
     ([change("opened", 2000)], "closed", None, []), ([change("opened", 0)], "open", None, [("open", 1430, 10)]),
     ([change("opened", 60, is_model=True)], "closed", None, [])],
    ids=["nothing", "open since", "open for days", "reset", "long ago", "just now", "another circuit"],
)  # fmt: skip
def test_strip__from_what_is_known(told: list[Change], state: str, since: Any, expected: list[Any]) -> None:
    states = [(False, state, NOW - since if since else None)]
    assert [(each.state, each.x, each.width) for each in charts.strip(told, states, NOW)] == expected


def circuit(model: str, state: str) -> dict[str, Any]:
    return {"scope": "agent", "provider": "p", "model": model, "state": state, "since": None}


@pytest.mark.parametrize(
    ("state", "retry_after", "circuits", "kind", "word"),
    [("closed", None, [circuit("a", "closed")], "healthy", "Healthy"),
     ("closed", None, [circuit("a", "open"), circuit("b", "closed")], "attention", "On a fallback"),
     ("open", 42, [circuit("a", "open")], "broken", "Paused, tried again"),
     ("half_open", 30, [circuit("a", "half_open")], "attention", "Being tried"),
     ("half_open", 0, [circuit("a", "half_open")], "attention", "Tried by the next run"),
     ("open", None, [], "paused", "Stopped"), ("unknown", None, [], "paused", "Unknown")],
)  # fmt: skip
def test_light__of_every_state__has_a_colour_and_a_word(
    state: str, retry_after: int | None, circuits: list[dict[str, Any]], kind: str, word: str
) -> None:
    shown = light({"state": state, "retry_after": retry_after, "reason": "", "circuits": circuits})
    assert (shown.kind, shown.word) == (kind, word)
    assert shown.icon

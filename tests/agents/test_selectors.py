"""Reads of the registry and the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from agents import selectors
from qualisys import tenancy
from qualisys.problems import Problem
from tests.connections import as_platform

Tenants = dict[str, tenancy.Tenant]

LOG = """INSERT INTO agent_execution_log VALUES (gen_random_uuid(), %s, %s, gen_random_uuid(), %s, 'stable', '',
 'openai', 'm', %s, 1, 1, false, %s, 1, %s, '', '', false, false, %s)"""


@pytest.fixture
def agent_id(tenants: Tenants) -> str:
    """An agent with log rows of two tenants, two versions and two days."""
    agent_id, now = f"metrics-{uuid4().hex[:8]}", datetime.now(UTC)
    rows = [
        ("acme", "1.0.0", 10, 100, "success", now), ("acme", "1.0.0", 30, 300, "error", now),
        ("acme", "1.1.0", 5, 50, "timeout", now), ("acme", "1.0.0", 7, 70, "success", now - timedelta(hours=25)),
        ("globex", "1.0.0", 999, 9_999, "error", now),
    ]  # fmt: skip
    with as_platform() as connection:
        for tenant, version, used, milliseconds, status, at in rows:
            connection.execute(LOG, [agent_id, tenants[tenant].id, version, used, milliseconds, status, at])
    return agent_id


@pytest.fixture
def as_acme(tenants: Tenants) -> Iterator[tenancy.Tenant]:
    with tenancy.use(tenants["acme"]) as acme:
        yield tenants[acme.schema]


def test_get_agent__missing__not_found(as_acme: tenancy.Tenant) -> None:
    with pytest.raises(Problem, match="agent_not_found"):
        selectors.get_agent("nothing")


def test_metrics__of_another_tenant__are_none_even_if_asked_for(
    agent_id: str, as_acme: tenancy.Tenant, tenants: Tenants
) -> None:
    assert selectors.metrics_by_version(agent_id, tenants["globex"].id) == []


def test_metrics__by_version__of_the_last_day_and_the_own_tenant(
    agent_id: str, as_acme: tenancy.Tenant
) -> None:
    first, second = selectors.metrics_by_version(agent_id, as_acme.id)
    assert first == {
        "version": "1.0.0",
        "runs": 2,
        "error_rate": 0.5,
        "timeouts": 0,
        "tokens": 40,
        "p50_ms": 200,
        "p95_ms": 290,
    }
    assert (second["version"], second["runs"], second["timeouts"], second["error_rate"]) == ("1.1.0", 1, 1, 0)


def test_metrics__since_longer_ago__count_more(agent_id: str, as_acme: tenancy.Tenant) -> None:
    since = datetime.now(UTC) - timedelta(days=2)
    assert selectors.metrics_by_version(agent_id, as_acme.id, since)[0]["runs"] == 3


def test_usage__of_another_tenant__is_none_even_if_asked_for(
    agent_id: str, as_acme: tenancy.Tenant, tenants: Tenants
) -> None:
    today = datetime.now(UTC).date()
    assert selectors.usage_by_day(tenants["globex"].id, today, today) == []


def test_usage__by_day_and_agent__counts_both_ends_of_the_stretch(
    agent_id: str, as_acme: tenancy.Tenant
) -> None:
    today = datetime.now(UTC).date()
    found = selectors.usage_by_day(as_acme.id, today - timedelta(days=2), today)
    mine = [row for row in found if row.agent_id == agent_id]
    assert sum(row.runs for row in mine) == 4
    assert sum(row.failed for row in mine) == 2
    assert {row.tokens for row in mine} == {2, 6}
    assert selectors.usage_by_day(as_acme.id, today + timedelta(days=1), today + timedelta(days=1)) == []

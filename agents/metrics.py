"""The metrics of runs, under the names the contract fixes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from agents.providers.base import Usage

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

RUNS = Counter("agent_runs", "Runs that ended", ["agent_id", "version", "status"])
DURATION = Histogram(
    "agent_run_duration_seconds", "Seconds from start to end of a run", ["agent_id"], buckets=_SECONDS
)
FIRST_TOKEN = Histogram(
    "agent_first_token_seconds", "Seconds to the first token", ["agent_id"], buckets=_SECONDS
)
TOKENS = Counter("agent_tokens", "Tokens used", ["agent_id", "kind"])
TIMEOUTS = Counter("agent_timeout", "Runs that hit their deadline", ["agent_id"])
RESOLVE = Histogram(
    "agent_registry_resolve_duration_seconds",
    "Seconds to resolve a run's configuration",
    buckets=(0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.01, 0.1, 1),
)
GUARD = Histogram(
    "agent_guard_duration_seconds",
    "Seconds in the guard",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1),
)
CIRCUIT = Gauge(
    "agent_circuit_state",
    "1 for the state that an agent's circuit is in",
    ["agent_id", "state"],
    multiprocess_mode="mostrecent",
)
BUDGET = Gauge(
    "agent_token_budget_used_ratio",
    "Share of the day's tokens that is used or reserved",
    ["agent_id", "tenant"],
    multiprocess_mode="mostrecent",
)
#: Agents of tenants whose budgets are exported; more would make a series of each.
BUDGETS_AT_MOST = 500
BACKLOG = Gauge("execution_log_backlog", "Spool entries not yet written", multiprocess_mode="mostrecent")


def finished(
    agent_id: str, version: str, status: str, milliseconds: int, first_token_ms: int | None, usage: Usage
) -> None:
    """Count a run that has ended."""
    _of(RUNS, agent_id, version, status).inc()
    _of(DURATION, agent_id).observe(milliseconds / 1000)
    if first_token_ms is not None:
        _of(FIRST_TOKEN, agent_id).observe(first_token_ms / 1000)
    _of(TOKENS, agent_id, "input").inc(usage.input_tokens)
    _of(TOKENS, agent_id, "output").inc(usage.output_tokens)


def refused(agent_id: str, version: str) -> None:
    """Count a run that the guard did not admit."""
    _of(RUNS, agent_id, version, "refused").inc()


_budgets: set[tuple[str, str]] = set()


def budget(agent_id: str, tenant: str, limit: int, left: int) -> None:
    """Note how much of a day's tokens is used."""
    key = (agent_id, tenant)
    if limit <= 0 or (key not in _budgets and len(_budgets) >= BUDGETS_AT_MOST):
        return
    _budgets.add(key)
    _of(BUDGET, *key).set(1 - left / limit)


_circuits: dict[str, str] = {}


def circuits(states: Mapping[str, str]) -> None:
    """Note the state of every agent's circuit."""
    for agent_id, state in states.items():
        if _circuits.get(agent_id) != state:
            _circuits[agent_id] = state
            for each in ("closed", "open", "half_open"):
                _of(CIRCUIT, agent_id, each).set(each == state)


@lru_cache(maxsize=4096)
def _of(metric: Any, *labels: str) -> Any:
    """Return the child for these labels; finding it anew costs more than counting."""
    return metric.labels(*labels)

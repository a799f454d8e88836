"""The metrics of runs, under the names the contract fixes."""

from __future__ import annotations

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


@lru_cache(maxsize=4096)
def _of(metric: Any, *labels: str) -> Any:
    """Return the child for these labels; finding it anew costs more than counting."""
    return metric.labels(*labels)

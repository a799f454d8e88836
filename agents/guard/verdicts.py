"""What a run's end says about circuits. The table is the rule; `docs/breaker.md` shows it.

A failure is a fault of the model, its provider or the agent. Mistakes of the caller, cancellations, refusals by the
guard, workers that died and faults of our own say nothing. A provider that limits its rate is no failure: it is left
alone for as long as it asks.
"""

from __future__ import annotations

from agents.guard.admission import Verdict
from qualisys.problems import Problem

#: `provider_error` reasons that are the provider's fault; `refused` is what the request brought upon itself.
FAULTS = frozenset({"overloaded", "unreachable", "bad_answer", "model_not_found"})


def of(problem: Problem | None, *, cancelled: bool = False) -> tuple[Verdict, Verdict]:
    """Return the verdicts for the agent's own circuit and for its model's."""
    if cancelled:
        return "neutral", "neutral"
    if problem is None:
        return "ok", "ok"
    if problem.code == "agent_timeout":
        return "failure", "failure"
    if problem.code == "output_schema_violation":
        return "failure", "ok"
    if problem.code == "provider_error" and (problem.extra or {}).get("reason") in FAULTS:
        return "failure", "failure"
    return "neutral", "neutral"


def pause(problem: Problem) -> float | None:
    """Return the seconds for which a provider that limits its rate asks to be left alone, or None."""
    if problem.code != "rate_limited" or (problem.extra or {}).get("scope") != "provider":
        return None
    return float((problem.headers or {}).get("Retry-After", "1"))

"""Runs that the guard refused, told apart from runs that began and failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Q

from qualisys.problems import CODES

#: What a list of runs is narrowed to beside the statuses of runs: a refused run is stored as a failed one.
REFUSED: Final = "refused"

#: The codes of refusals. A provider's rate limit in the middle of a run has such a code, too, but names no scope.
WORDS: Final[Mapping[str, str]] = {
    "agent_circuit_open": "Paused after failures",
    "token_budget_exceeded": "Token budget used up",
    "cost_budget_exceeded": "Cost budget used up",
    "rate_limited": "Too many at once or in a minute",
}


def is_refused(run: Mapping[str, Any]) -> bool:
    """Tell whether the guard refused a run, given in the contract's shape."""
    problem = run["problem"]
    return bool(run["status"] == "failed" and problem and problem["code"] in WORDS and "scope" in problem)


def has_status(run: Mapping[str, Any], status: str) -> bool:
    """Tell whether a run belongs into a list of one status; a refused run is among the failed ones as well."""
    return is_refused(run) if status == REFUSED else bool(run["status"] == status)


def of_status(status: str) -> Q:
    """Return the condition of the same for stored runs."""
    if status != REFUSED:
        return Q(status=status)
    return Q(status="failed", problem__code__in=list(WORDS), problem__has_key="scope")


def word(code: str) -> str:
    """Return a refusal's code as people read it; any other problem's by its title."""
    return WORDS.get(code) or (CODES[code][1] if code in CODES else code)

"""The guard: one atomic step to admit a run, one to settle it."""

from agents.guard.admission import (
    Admitted,
    Lease,
    Settlement,
    Stale,
    Unseeded,
    Verdict,
    admit,
    advance,
    restore,
    settle,
)
from agents.guard.plan import Candidate, Grant, Plan

__all__ = [
    "Admitted",
    "Candidate",
    "Grant",
    "Lease",
    "Plan",
    "Settlement",
    "Stale",
    "Unseeded",
    "Verdict",
    "admit",
    "advance",
    "restore",
    "settle",
]

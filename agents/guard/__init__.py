"""The guard: one atomic step to admit a run, one to settle it."""

from agents.guard.admission import Lease, Refused, Settlement, admit, settle

__all__ = ["Lease", "Refused", "Settlement", "admit", "settle"]

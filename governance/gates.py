"""Gates around a run. What they hold is decided here; who decides them is the approvals' business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.runs.request import RunRequest
from tenants.overrides.merge import Effective


@dataclass(frozen=True, slots=True)
class Hold:
    """A gate that waits for a decision before the run, or its release, goes on."""

    gate: str
    stage: str
    approval_id: str


async def before_run(effective: Effective, request: RunRequest) -> list[Hold]:
    """Return the gates that hold the run before the model is called."""
    return []


async def after_run(
    effective: Effective, request: RunRequest, output: Mapping[str, Any] | None
) -> list[Hold]:
    """Return the gates that hold the release of what the run produced."""
    return []

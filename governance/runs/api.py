"""What a run was told, for those who configure agents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router

from governance.runs import told
from governance.schemas import ToldOut
from qualisys.access import Requires
from qualisys.schemas import REFUSALS
from tenants.identity import identity_of

router = Router(tags=["runs"])


@router.get(
    "/{run_id}/told",
    response={200: ToldOut, **REFUSALS},
    auth=Requires(told.PERM, where="tenant"),
)
async def get_told(request: HttpRequest, run_id: UUID) -> dict[str, Any]:
    """Show what the model was told in a run, layer by layer, and whether the run's own hash proves it."""
    return await told.told(identity_of(request), run_id)

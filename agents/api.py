"""Prices of models, and stopping a provider or model by hand, for the platform."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from agents import services
from agents.models import ModelPrice, ModelStop
from agents.schemas import PricesIn, PricesOut, StopIn, StopOut
from qualisys.access import Requires, actor_of
from qualisys.database.threads import in_thread
from qualisys.schemas import REFUSALS, Page

prices = Router(tags=["administration"])
stops = Router(tags=["administration"])


@prices.get(
    "", response={200: PricesOut, **REFUSALS}, auth=Requires("agents.view_modelprice", where="platform")
)
async def get_prices(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    """List what models cost, by provider and name."""
    rows = await in_thread(lambda: list(ModelPrice.objects.all()))
    response["ETag"] = services.prices_tag(rows)
    return {"items": rows}


@prices.put(
    "", response={200: PricesOut, **REFUSALS}, auth=Requires("agents.change_modelprice", where="platform")
)
async def put_prices(request: HttpRequest, response: HttpResponse, body: PricesIn) -> dict[str, Any]:
    """Replace the price table; runs that start a second later count by it."""
    rows = await in_thread(
        services.set_prices,
        actor=actor_of(request),
        prices=body.items,
        reason=body.reason,
        match=request.headers.get("If-Match"),
    )
    response["ETag"] = services.prices_tag(rows)
    return {"items": rows}


@stops.get(
    "", response={200: Page[StopOut], **REFUSALS}, auth=Requires("agents.view_modelstop", where="platform")
)
async def list_stops(request: HttpRequest) -> dict[str, Any]:
    """List what is stopped."""
    rows = await in_thread(lambda: list(ModelStop.objects.all()))
    return {"items": [_shown(row) for row in rows], "next_cursor": None}


@stops.post("", response={201: StopOut, **REFUSALS}, auth=Requires("agents.add_modelstop", where="platform"))
async def stop(request: HttpRequest, body: StopIn) -> Status[Any]:
    """Stop a provider or one of its models: within a second no run calls it any more."""
    row = await in_thread(
        services.stop_model,
        actor=actor_of(request),
        provider=body.provider,
        model=body.model,
        reason=body.reason,
    )
    return Status(201, _shown(row))


@stops.delete(
    "/{stop_id}", response={204: None, **REFUSALS}, auth=Requires("agents.change_modelstop", where="platform")
)
async def resume(request: HttpRequest, stop_id: UUID, reason: str = "") -> Status[None]:
    """End a stop: within a second runs may call the provider or model again."""
    await in_thread(services.resume_model, actor=actor_of(request), stop_id=stop_id, reason=reason[:1000])
    return Status(204, None)


def _shown(row: ModelStop) -> dict[str, Any]:
    return {
        "id": row.pk,
        "provider": row.provider,
        "model": row.model,
        "reason": row.reason,
        "created_at": row.created_at.isoformat(),
    }

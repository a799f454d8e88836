"""Pages of agents and runs; everything live on them comes from the API's streams."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from governance.runs import selectors
from tenants import discovery, effective
from tenants.identity import Identity


def _identity(request: HttpRequest) -> Identity:
    identity: Identity = request.identity  # type: ignore[attr-defined]
    return identity


@login_required
def agents(request: HttpRequest) -> HttpResponse:
    """Show the agents the member may see."""
    cards = async_to_sync(discovery.discover)(_identity(request))
    return render(request, "governance/agents.html", {"cards": cards})


@login_required
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show one agent with its form and live output."""
    found = async_to_sync(effective.visible)(_identity(request), agent_id)
    return render(request, "governance/agent.html", {"agent": found})


@login_required
def runs(request: HttpRequest) -> HttpResponse:
    """List runs."""
    page = async_to_sync(selectors.list_runs)(
        _identity(request), agent_id=None, status=None, cursor=request.GET.get("cursor"), limit=50
    )
    return render(request, "governance/runs.html", {"page": page})


@login_required
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show one run."""
    found = async_to_sync(selectors.get_run)(_identity(request), run_id)
    return render(request, "governance/run.html", {"run": found})

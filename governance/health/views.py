"""The health page of a tenant."""

from __future__ import annotations

from datetime import UTC, datetime

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.health import page
from qualisys.access import check
from tenants.identity import identity_of
from tenants.pages import shell


@login_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Show how the tenant's agents are doing; the page asks again every few seconds."""
    identity = identity_of(request)
    check(identity, "agents.view_executionlog")
    shown = async_to_sync(page.health)(identity, datetime.now(UTC))
    return render(
        request, "governance/health/page.html", {**shell.beside(request, shell.HEALTH), "health": shown}
    )

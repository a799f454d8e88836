"""The console's pages that are no model's: execution log, live runs, and the audit trail's addresses.

The log's key is composite, which the admin cannot register, so these are views of its site.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import InvalidPage
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from redis import RedisError

from agents.models import AgentDefinition, ExecutionLog, RunStatus
from governance import selectors
from governance.audit.admin import event, trail
from governance.console import seconds
from governance.health import console
from qualisys import pagination
from qualisys.cells import code, moment, state
from qualisys.console import refuse_unstorable
from qualisys.problems import Problem
from tenants.models import Tenant

PAGE = 50
_PERIODS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days"}
_STATES = {
    RunStatus.SUCCESS: "healthy",
    RunStatus.ERROR: "broken",
    RunStatus.TIMEOUT: "broken",
    RunStatus.CIRCUIT_OPEN: "attention",
    RunStatus.REFUSED: "attention",
    RunStatus.CANCELLED: "paused",
}

View = Callable[..., HttpResponse]


def executions(request: HttpRequest) -> HttpResponse:
    """List ended runs by what they were and cost, never by what they said."""
    _check(request, "agents.view_executionlog")
    refuse_unstorable(request)
    wanted = {
        name: request.GET.get(name, "").strip() for name in ("agent", "tenant", "status", "version", "period")
    }
    wanted["period"] = wanted["period"] if wanted["period"] in _PERIODS else "7"
    names = {tenant.pk: tenant.name for tenant in Tenant.objects.order_by("name")}
    rows, error = _page(wanted, request.GET.get("cursor"))
    more = len(rows) > PAGE
    last = rows[PAGE - 1] if more else None
    context = {
        "title": "Execution log",
        "rows": [_shown(row, names) for row in rows[:PAGE]],
        "error": error,
        "wanted": wanted,
        "agents": AgentDefinition.objects.order_by("name").values_list("agent_id", "name"),
        "tenants": [(str(pk), name) for pk, name in names.items()],
        "statuses": RunStatus.choices,
        "periods": _PERIODS.items(),
        "next_cursor": pagination.encode([last.created_at.isoformat(), str(last.id)]) if last else "",
        "paged": bool(request.GET.get("cursor")),
    }
    return _render(request, "admin/governance/executions.html", context)


def live(request: HttpRequest) -> HttpResponse:
    """List what runs right now; the page asks again every few seconds."""
    _check(request, "agents.view_executionlog")
    names = {tenant.pk: tenant.name for tenant in Tenant.objects.order_by("name")}
    found = selectors.live(list(names))
    by_agent: dict[str, int] = {}
    for run in found.runs if found else []:
        by_agent[run.agent_id] = by_agent.get(run.agent_id, 0) + 1
    context = {
        "title": "Live runs",
        "live": found,
        "by_tenant": _most_first(
            {names[pk]: count for pk, count in found.by_tenant.items()} if found else {}
        ),
        "by_agent": _most_first(by_agent),
        "rows": [
            {
                "run": run,
                "tenant": names[run.tenant_id],
                "began": moment(run.created_at),
                "id": code(run.run_id),
            }
            for run in (found.runs if found else [])
        ],
        "most": selectors.MOST_LIVE,
    }
    return _render(request, "admin/governance/live.html", context)


def _most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _page(wanted: dict[str, str], cursor: str | None) -> tuple[list[ExecutionLog], str]:
    try:
        rows = _filtered(wanted)
        after = pagination.decode(cursor, 2)
        if after is not None:
            at, last = datetime.fromisoformat(str(after[0])), UUID(str(after[1]))
            rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=last))
        return list(rows.order_by("-created_at", "-id")[: PAGE + 1]), ""
    except (ValueError, Problem):
        return [], "The address of this page is not right. Choose the filters again."


def _filtered(wanted: dict[str, str]) -> QuerySet[ExecutionLog]:
    since = timezone.now() - timedelta(days=int(wanted["period"]))
    rows = ExecutionLog.objects.filter(created_at__gte=since).defer("error_message")
    exact = {"agent_id": wanted["agent"], "status": wanted["status"], "version": wanted["version"]}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    return rows.filter(tenant_id=UUID(wanted["tenant"])) if wanted["tenant"] else rows


def _shown(row: ExecutionLog, names: dict[UUID, str]) -> dict[str, Any]:
    return {
        "row": row,
        "tail": str(row.id)[-6:],
        "at": moment(row.created_at),
        "tenant": names.get(row.tenant_id, "deleted"),
        "status": state(_STATES.get(RunStatus(row.status), "quiet"), row.get_status_display()),
        "tokens": f"{row.tokens_used:,}",
        "took": seconds(row.execution_time_ms),
        "first": seconds(row.first_token_ms),
    }


def _check(request: HttpRequest, perm: str) -> None:
    if not request.user.has_perm(perm):
        raise PermissionDenied


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})


def _pages() -> list[URLPattern]:
    pages: list[tuple[str, View, str]] = [
        ("executions/", executions, "executions"),
        ("live/", live, "live"),
        ("health/", console.health, "health"),
        ("health/usage.csv", console.usage_file, "health_usage"),
        ("health/<str:agent_id>/reset/", console.reset, "health_reset"),
        ("trail/", trail, "trail"),
        ("trail/<uuid:chain>/<int:seq>/", event, "trail_event"),
    ]
    return [path(route, admin.site.admin_view(view), name=name) for route, view, name in pages]


def _search_or_nothing(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Search the console; find nothing where the cache behind it is away or there is no such page."""
    refuse_unstorable(request)
    try:
        return _search(request, extra_context)  # type: ignore[no-any-return]
    except (RedisError, InvalidPage):
        return HttpResponse("")


_search = admin.site.search  # type: ignore[attr-defined]
admin.site.search = _search_or_nothing  # type: ignore[attr-defined]
admin.site.extra_urls = _pages  # type: ignore[attr-defined]

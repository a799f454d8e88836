"""The audit trail in the console: read-only, chain by chain, newest first.

A chain belongs to a tenant or to the platform. What changed in a tenant may be the tenant's own text, so opening
one of its events is itself recorded in its chain.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from governance.audit.models import AuditEvent
from qualisys import audit, pagination
from qualisys.cells import block, code, moment
from qualisys.console import PLATFORM_CHAIN, refuse_unstorable
from qualisys.problems import Problem
from tenants.models import Tenant, User

PAGE = 50


def trail(request: HttpRequest) -> HttpResponse:
    """List the events of a chain."""
    _check(request)
    refuse_unstorable(request)
    wanted = {
        name: request.GET.get(name, "").strip() for name in ("chain", "action", "object_type", "object_id")
    }
    wanted["chain"] = wanted["chain"] or PLATFORM_CHAIN
    error, rows = "", []
    try:
        after = pagination.decode(request.GET.get("cursor"), 1)
        rows = list(_filtered(wanted, int(after[0]) if after else None)[: PAGE + 1])
    except (ValueError, Problem):
        error = "The address of this page is not right. Choose the filters again."
    names = _names(rows)
    context = {
        "title": "Audit trail",
        "error": error,
        "rows": [
            {
                "event": row,
                "at": moment(row.at),
                "actor": _actor(row.actor, names),
                "which": code(row.object_id),
            }
            for row in rows[:PAGE]
        ],
        "wanted": wanted,
        "chains": [
            (PLATFORM_CHAIN, "Platform"),
            *((str(t.pk), t.name) for t in Tenant.objects.order_by("name")),
        ],
        "next_cursor": pagination.encode([rows[PAGE - 1].seq]) if len(rows) > PAGE else "",
        "paged": bool(request.GET.get("cursor")),
    }
    return _render(request, "admin/governance/trail.html", context)


def event(request: HttpRequest, chain: UUID, seq: int) -> HttpResponse:
    """Show one event with what it changed."""
    _check(request)
    row = AuditEvent.objects.filter(tenant_id=chain, seq=seq).first()
    if row is None:
        raise Http404
    tenant = Tenant.objects.filter(pk=chain).first()
    if tenant is not None:
        with transaction.atomic():
            audit.record("audit.read", object_type="audit_event", object_id=str(seq), tenant_id=tenant.pk)
    body = json.loads(row.body)
    context = {
        "title": f"Event {seq}",
        "event": row,
        "tenant": tenant,
        "at": moment(row.at),
        "actor": _actor(row.actor, _names([row])),
        "which": code(row.object_id),
        "reason": body.get("reason"),
        "request_id": body.get("request_id"),
        "before": _pretty(body.get("before")),
        "after": _pretty(body.get("after")),
        "hash": code(bytes(row.hash).hex()),
    }
    return _render(request, "admin/governance/event.html", context)


def _filtered(wanted: dict[str, str], before: int | None) -> QuerySet[AuditEvent]:
    # The whole body can be a prompt; the list needs the reason only.
    rows = AuditEvent.objects.defer("body", "hash").annotate(reason=RawSQL("body::jsonb ->> 'reason'", []))
    rows = rows.filter(tenant_id=UUID(wanted["chain"]))
    if before is not None:
        rows = rows.filter(seq__lt=before)
    exact = {name: wanted[name] for name in ("object_type", "object_id") if wanted[name]}
    if wanted["action"]:
        rows = rows.filter(action__startswith=wanted["action"])
    return rows.filter(**exact).order_by("-seq")


def _names(rows: list[AuditEvent]) -> dict[str, str]:
    ids = set()
    for row in rows:
        try:
            ids.add(UUID(row.actor.rsplit(":", 1)[-1]))
        except ValueError:
            continue
    return {str(user.pk): user.email for user in User.objects.filter(pk__in=ids)}


def _actor(actor: str, names: dict[str, str]) -> str:
    kind, _, who = actor.rpartition(":")
    name = names.get(who, who)
    return f"{name} (API key)" if kind.startswith("key:") else f"{kind}:{name}" if kind else name


def _pretty(value: Any) -> Any:
    return None if value is None else block(json.dumps(value, indent=2, ensure_ascii=False))


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm("audit.view_auditevent"):
        raise PermissionDenied


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})

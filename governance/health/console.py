"""The console's health page, and the reset that it offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from agents.guard import circuits
from agents.guard.circuits import Circuit, Reading
from agents.models import AgentDefinition, GuardEvent, UsageDay
from governance import selectors
from governance.console import NONE, percent
from governance.exports import attachment, spreadsheet
from governance.health import overview
from governance.health.overview import Resets
from governance.health.refusals import word
from governance.selectors import Figures
from qualisys.cells import code, icon, moment, state
from qualisys.console import ReasonForm, refuse_unstorable
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from tenants.models import Tenant

EVENT_SIGNS = {
    GuardEvent.Kind.OPENED: ("broken", "Opened"),
    GuardEvent.Kind.PROBING: ("attention", "Being tried"),
    GuardEvent.Kind.CLOSED: ("healthy", "Closed"),
    GuardEvent.Kind.RESET: ("healthy", "Reset by hand"),
}


def health(request: HttpRequest) -> HttpResponse:
    """Show circuits, budgets and the guard's roll-out over all tenants; the page renews itself."""
    _check(request, "agents.view_executionlog")
    now = timezone.now()
    agents = list(AgentDefinition.objects.order_by("name"))
    tenants = {row.pk: row.values() for row in Tenant.objects.order_by("name")}
    names = {pk: tenant.name for pk, tenant in tenants.items()}
    broken = overview.not_closed()
    percentage = overview.guard_percentage()
    watched = overview.in_shadow(list(tenants.values()), percentage)
    resets = overview.resets(now)
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "now": now,
        "may_reset": request.user.has_perm(circuits.RESET),
        "is_known": broken is not None,
        "circuits": [_circuit(each, agents, names) for each in broken or ()],
        "agents": _agents(agents, broken or (), selectors.by_agent(now)),
        "history": [_event(each, names) for each in overview.history()],
        "resets": resets,
        "per_opening": f"{resets.per_opening:.2f}",
        "meaning": _meaning(resets),
        "tight": overview.tight(tenants, now),
        "percentage": percentage,
        "watched": watched,
        "refused": overview.refused(now),
        "shadow": overview.shadow(now),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/governance/health.html", context)


def usage_file(request: HttpRequest) -> HttpResponse:
    """Give what every tenant used in the last 30 days, by day and agent, as CSV."""
    _check(request, "agents.view_executionlog")
    today = timezone.now().date()
    first = today - timedelta(days=overview.DAYS - 1)
    tenants = {row.pk: (row.schema_name, row.name) for row in Tenant.objects.all()}
    rows = UsageDay.objects.filter(day__gte=first).order_by("day", "tenant_id", "agent_id")
    content = spreadsheet.ledger_csv(rows.iterator(), tenants)
    return attachment(content, "text/csv; charset=utf-8", f"usage-{first}-to-{today}.csv")


def _agents(
    agents: Iterable[AgentDefinition], broken: Sequence[Reading], used: Mapping[str, Figures]
) -> list[dict[str, Any]]:
    rows = []
    for agent in agents:
        readings = [each for each in broken if each.circuit.agent_id == agent.agent_id]
        everybody = [each for each in readings if each.circuit.tenant_id is None]
        figures = used.get(agent.agent_id, Figures())
        rows.append({
            "agent_id": agent.agent_id, "name": agent.name, "icon": icon(agent.icon), "broken": bool(readings),
            "url": reverse("admin:agents_agentdefinition_change", args=[agent.pk]),
            "log_url": f"{reverse('admin:executions')}?agent={agent.agent_id}",
            "state": _sign(everybody) if agent.enabled else state("paused", "Turned off"),
            "tenants": len({each.circuit.tenant_id for each in readings if each.circuit.tenant_id}),
            "runs": figures.runs, "timeouts": figures.timeouts,
            "errors": percent(figures.error_rate) if figures.runs else NONE,
        })  # fmt: skip
    return sorted(rows, key=lambda row: (not row["broken"], row["name"].lower()))


def _sign(readings: Iterable[Reading]) -> SafeString:
    states = {each.state for each in readings}
    if "open" in states:
        return state("broken", "Open")
    return state("attention", "Being tried") if "half_open" in states else state("healthy", "Closed")


def _circuit(
    reading: Reading, agents: Sequence[AgentDefinition], names: Mapping[UUID, str]
) -> dict[str, Any]:
    circuit = reading.circuit
    if circuit.agent_id is None:
        whose = "Every agent with this model"
    elif circuit.tenant_id is None:
        whose = "Every tenant"
    else:
        whose = names.get(circuit.tenant_id, "a deleted tenant")
    resets = circuit.agent_id or _agent_of(circuit, agents)
    url = reverse("admin:health_reset", args=[resets]) if resets else ""
    return {
        "sign": _sign([reading]),
        "agent_id": circuit.agent_id or "",
        "whose": whose,
        "of_tenant": circuit.tenant_id is not None,
        "provider": circuit.provider,
        "model": circuit.model,
        "since": moment(reading.since),
        "seconds": round(reading.seconds),
        "reason": word(reading.reason) if reading.reason else NONE,
        "url": f"{url}?tenant={circuit.tenant_id}" if url and circuit.tenant_id else url,
    }


def _agent_of(circuit: Circuit, agents: Iterable[AgentDefinition]) -> str:
    """Return an agent that answers with the circuit's model: resetting it closes its models' circuits."""
    of = (circuit.provider, circuit.model)
    for agent in agents:
        fallbacks = {(each["provider"], each["model"]) for each in agent.fallbacks}
        if of in {(agent.llm_provider, agent.llm_model), *fallbacks}:
            return agent.agent_id
    return ""


def _event(row: GuardEvent, names: Mapping[UUID, str]) -> dict[str, Any]:
    reason = str(row.detail.get("reason", ""))
    return {
        "at": moment(row.at),
        "sign": state(*EVENT_SIGNS[GuardEvent.Kind(row.kind)]),
        "agent_id": row.agent_id,
        "whose": names.get(row.tenant_id, "a deleted tenant") if row.tenant_id else "",
        "model": f"{row.provider} · {row.model}",
        "reason": reason if row.kind == GuardEvent.Kind.RESET else word(reason) if reason else "",
    }


def _meaning(resets: Resets) -> str:
    if not resets.openings:
        return "No circuit has opened in 30 days, so there was nothing to reset."
    told = f"{resets.resets} of {resets.openings} openings in 30 days were ended by a person. "
    if resets.per_opening < 0.1:
        return told + "Circuits mend themselves: nobody has to watch them."
    if resets.per_opening < 0.5:
        return told + "Now and then somebody does not want to wait: look whether the cooldown is too long."
    return (
        told + "People do the breaker's work: it opens too early, or stays open too long. Look at its limits."
    )


def reset(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Ask for a reason, then close every circuit that refuses an agent; with `?tenant=`, that tenant's own alone."""
    _check(request, circuits.RESET)
    refuse_unstorable(request)
    agent = AgentDefinition.objects.filter(agent_id=agent_id).first()
    tenant = _tenant(request.GET.get("tenant", ""))
    if agent is None:
        raise Http404(agent_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            closed = async_to_sync(circuits.reset)(
                actor=request.identity,  # type: ignore[attr-defined]
                agent_id=agent_id,
                tenant_id=tenant.pk if tenant else None,
                reason=form.cleaned_data["reason"].strip(),
            )
        except Problem as problem:
            form.refuse(problem)
        except RedisUnavailable:
            form.add_error(None, "Redis does not answer: nothing was closed. Try again when it does.")
        else:
            messages.success(
                request, f"{agent.name}: {len(closed)} circuit(s) closed. What had failed is forgotten."
            )
            return redirect("admin:health")
    context = {
        **admin.site.each_context(request),
        "title": f"Reset {agent.name}?",
        "agent": agent,
        "tenant": tenant,
        "form": form,
        "agent_code": code(agent_id),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/governance/reset.html", context)


def _tenant(wanted: str) -> Tenant | None:
    if not wanted:
        return None
    try:
        found: Tenant | None = Tenant.objects.filter(pk=UUID(wanted)).first()
    except ValueError as error:
        raise Http404(wanted) from error
    if found is None:
        raise Http404(wanted)
    return found


def _check(request: HttpRequest, perm: str) -> None:
    if not request.user.has_perm(perm):
        raise PermissionDenied

"""The console's start page: what is running, is it healthy, what waits for me."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from agents.models import AgentDefinition
from governance import selectors, waiting
from governance.selectors import Figures
from qualisys.cells import code, icon, state
from tenants.models import Tenant, TenantStatus
from versions.admin import stable
from versions.models import AgentVersion

#: Shares of failed runs (errors and timeouts) from which an agent or the platform needs attention, or is broken.
ATTENTION, BROKEN = 0.05, 0.25

_CHART_WIDTH, _CHART_HEIGHT = 960, 160
#: Stands where there is no figure.
NONE = "-"


@dataclass(frozen=True)
class Stat:
    """One figure with its trend; `mood` is better, worse or same."""

    label: str
    value: str
    trend: str
    mood: str = "same"


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the start page's figures to the admin's context."""
    now = timezone.now()
    agents = _agents()
    tenants = list(Tenant.objects.order_by("name"))
    live = selectors.live([tenant.pk for tenant in tenants])
    backlog = selectors.backlog()
    until = selectors.partitions_until(now.date())
    used = selectors.by_agent(now)
    return {
        **context,
        "title": "Dashboard",
        "now": now,
        "stats": _stats(*selectors.figures(now)),
        "chart": chart(selectors.by_hour(now)),
        "agents": [_agent_row(agent, used.get(agent.agent_id, Figures())) for agent in agents],
        "tenants": _tenant_rows(tenants, now, live),
        "live": live,
        "machinery": _machinery(backlog, until),
        "waiting": waiting.for_people(agents, tenants, backlog, now),
    }


def _agents() -> list[AgentDefinition]:
    light = AgentVersion.objects.only("agent_id", "version", "status", "rollout_percentage")
    return list(AgentDefinition.objects.prefetch_related(Prefetch("versions", light)).order_by("name"))


def _stats(now: Figures, before: Figures) -> list[Stat]:
    if not before.runs:
        return [Stat(label, value, "no runs the day before") for label, value in _values(now)]
    then = [f"{value} the day before" for _, value in _values(before)]
    then[0], then[-1] = _change(now.runs, before.runs), _change(now.tokens, before.tokens)
    moods = [
        "same",
        _mood(now.error_rate, before.error_rate),
        _mood(now.timeouts, before.timeouts),
        _mood(now.p95_ms or 0, before.p95_ms or 0),
        "same",
    ]
    return [Stat(*shown, trend, mood) for shown, trend, mood in zip(_values(now), then, moods, strict=True)]


def _values(figures: Figures) -> list[tuple[str, str]]:
    return [
        ("Runs", f"{figures.runs:,}"),
        ("Error rate", percent(figures.error_rate)),
        ("Timeouts", f"{figures.timeouts:,}"),
        ("Slowest 5 %", seconds(figures.p95_ms)),
        ("Tokens", f"{figures.tokens:,}"),
    ]


def _change(now: float, before: float) -> str:
    return (
        f"{(now - before) / before:+.0%} on the day before".replace("%", " %")
        if before
        else "none the day before"
    )


def _mood(now: float, before: float) -> str:
    return "same" if now == before else ("worse" if now > before else "better")


def percent(share: float) -> str:
    """Return a share (0 to 1) as people read it."""
    return f"{share * 100:.1f} %"


def seconds(milliseconds: float | None) -> str:
    """Return a duration with its unit."""
    if milliseconds is None:
        return NONE
    return f"{milliseconds:.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.1f} s"


def chart(hours: list[tuple[datetime, int, int]]) -> dict[str, Any]:
    """Return the bars of runs per hour, in the coordinates of the chart's view box."""
    most = max((runs for _, runs, _ in hours), default=0)
    slot = _CHART_WIDTH / max(len(hours), 1)
    scale = _CHART_HEIGHT / most if most else 0
    bars = [
        {
            "hour": hour, "runs": runs, "failed": failed, "x": round(index * slot + 3, 1), "width": round(slot - 6, 1),
            "y": round(_CHART_HEIGHT - runs * scale, 1), "height": round((runs - failed) * scale, 1),
            "failed_y": round(_CHART_HEIGHT - failed * scale, 1), "failed_height": round(failed * scale, 1),
        }
        for index, (hour, runs, failed) in enumerate(hours)
    ]  # fmt: skip
    return {
        "bars": bars,
        "most": most,
        "width": _CHART_WIDTH,
        "height": _CHART_HEIGHT,
        "runs": sum(runs for _, runs, _ in hours),
        "failed": sum(failed for _, _, failed in hours),
    }


def health(runs: int, failed: int) -> str:
    """Return how an agent or a tenant does, as a labelled state."""
    if not runs:
        return state("quiet", "No runs")
    share = failed / runs
    if share >= BROKEN:
        return state("broken", "Failing")
    return state("attention", "Errors") if share >= ATTENTION else state("healthy", "Healthy")


def _agent_row(agent: AgentDefinition, used: Figures) -> dict[str, Any]:
    current = stable(agent.versions.all())
    return {
        "name": agent.name,
        "icon": icon(agent.icon),
        "url": reverse("admin:agents_agentdefinition_change", args=[agent.pk]),
        "log_url": f"{reverse('admin:executions')}?agent={agent.agent_id}",
        "switch": state("healthy", "On") if agent.enabled else state("paused", "Off"),
        "version": code(current.version) if current else state("attention", "none"),
        "health": health(used.runs, used.errors + used.timeouts),
        "used": used,
        "error_rate": percent(used.error_rate) if used.runs else NONE,
        "tokens": f"{used.tokens:,}",
        "p95": seconds(used.p95_ms),
    }


def _tenant_rows(tenants: list[Tenant], now: datetime, live: selectors.Live | None) -> list[dict[str, Any]]:
    used = selectors.by_tenant(now)
    rows = []
    for tenant in tenants:
        runs, failed, tokens = used.get(tenant.pk, (0, 0, 0))
        active = tenant.status == TenantStatus.ACTIVE
        rows.append({
            "name": tenant.name,
            "url": reverse("admin:tenants_tenant_change", args=[tenant.pk]),
            "standing": health(runs, failed) if active else state("paused", "Suspended"),
            "tier": tenant.get_tier_display(), "runs": runs, "tokens": f"{tokens:,}",
            "error_rate": percent(failed / runs) if runs else NONE,
            "live": "unknown" if live is None else live.by_tenant.get(tenant.pk, 0),
        })  # fmt: skip
    rows.sort(key=lambda row: (-row["runs"], row["name"]))
    return rows[:20]


def _machinery(backlog: tuple[int, int] | None, until: Any) -> list[tuple[str, str, str]]:
    if backlog is None:
        spool = state("broken", "Unknown: Redis does not answer")
    else:
        spool = state("attention" if backlog[0] >= waiting.BEHIND else "healthy", f"{backlog[0]:,} waiting")
    last = f"{until - timedelta(days=1):%-d %B %Y}" if until else ""
    ready = state("healthy", last) if last else state("broken", "None for this month")
    return [
        (
            "Ended runs to be stored",
            spool,
            "Written in batches. A number that only grows means nobody writes.",
        ),
        ("Log partitions until", ready, "Made three months ahead by a scheduled task."),
    ]

"""Pages of agents and runs; everything live on them comes from the API's streams."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance import api
from governance import usage as figures
from governance.exports import attachment, spreadsheet
from governance.health import page as health_page
from governance.health.budget import amount
from governance.runs import selectors
from governance.runs.selectors import Filters
from governance.runs.views import dressed, is_own
from governance.sparks import sparks
from qualisys import tenancy
from qualisys.access import check
from qualisys.icons import icon_of
from qualisys.problems import Problem
from qualisys.roles import LABELS
from tenants import discovery
from tenants.identity import Identity, identity_of
from tenants.pages import shell

DEMO_FOLDER: Final = Path(settings.BASE_DIR) / "docs" / "demo"
#: The documents that show an agent off. Nothing else of the folder is served.
DEMO_DOCUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "baconsultant": ("requirements-patient-portal.md",),
    "qaconsultant": ("released-stories.md",),
    "automationconsultant": ("test-cases.md",),
    "logreader": ("application.log",),
    "securityscanner": ("openapi-excerpt.json",),
    "performanceagent": ("load-profile.md",),
    "dbconsultant": ("migration.sql", "database-checks.md"),
}
#: Runs on the start page.
LATEST = 5


@login_required
@require_safe
def agents(request: HttpRequest) -> HttpResponse:
    """Show the agents the member may see, filtered by `?q=` and `?tag=`, and the latest runs."""
    identity = identity_of(request)
    cards = async_to_sync(discovery.discover)(identity)
    wanted, tags = request.GET.get("q", "")[:200], set(request.GET.getlist("tag"))
    for card in cards:
        card["icon"] = icon_of(card["icon"])
        card["words"] = " ".join([card["name"], card["agent_id"], card["description"], *card["tags"]]).lower()
        card["found"] = all(word in card["words"] for word in wanted.lower().split()) and tags <= set(
            card["tags"]
        )
    latest: list[dict[str, Any]] = []
    if identity.has_perm("governance.view_run"):
        page = async_to_sync(selectors.list_runs)(identity, filters=Filters(), cursor=None, limit=LATEST)
        latest = dressed(page["items"][:LATEST], cards)
    context = {
        "cards": cards,
        "q": wanted,
        "chosen": tags,
        "tags": sorted({tag for card in cards for tag in card["tags"]}),
        "found": sum(card["found"] for card in cards),
        "latest": latest,
        "shows_health": identity.has_perm("agents.view_executionlog"),
    }
    return render(request, "governance/agents.html", context)


@login_required
@require_safe
def agents_health(request: HttpRequest) -> HttpResponse:
    """Show the last 24 hours of every visible agent, and whether it is paused, as pieces that find their own cards."""
    identity = identity_of(request)
    check(identity, "agents.view_executionlog")
    cards = async_to_sync(discovery.discover)(identity)
    agent_ids = [card["agent_id"] for card in cards]
    lights = async_to_sync(health_page.lights)(agent_ids)
    shown = [(spark, lights.get(spark.agent_id)) for spark in sparks(agent_ids)]
    return render(request, "governance/health.html", {"sparks": shown})


@login_required
@require_safe
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show one agent: its form, `?run=` with the conversation it belongs to, or the text of `?again=`."""
    identity = identity_of(request)
    check(identity, "agents.view_agentdefinition")
    found = async_to_sync(api.get_agent)(request, agent_id)
    thread = async_to_sync(_thread)(identity, agent_id, request.GET.get("run", ""))
    again = async_to_sync(_thread)(identity, agent_id, request.GET.get("again", ""))
    gates = [
        {**gate, "roles": [LABELS.get(role, role) for role in gate["approvers"]]}
        for gate in found["approval_gates"]
    ]
    others = [
        {**card, "icon": icon_of(card["icon"])}
        for card in async_to_sync(discovery.discover)(identity)
        if card["may_run"] and card["agent_id"] != agent_id
    ]
    context = {
        "agent": {**found, "icon": icon_of(found["icon"])},
        "others": others,
        "gates": gates,
        "thread": thread,
        "continues": thread[-1]["conversation_id"] if thread and is_own(identity, thread[-1]) else "",
        "prefill": again[-1]["input"] if again else "",
        "left_out": again[-1]["documents"] if again else [],
        "demo_documents": DEMO_DOCUMENTS.get(agent_id, ()) if settings.DEMO_MODEL_URL else (),
    }
    return render(request, "governance/agent.html", context)


async def _thread(identity: Identity, agent_id: str, run_id: str) -> list[dict[str, Any]]:
    """Return the run and the runs before it in its conversation, oldest first; nothing where none is named."""
    if not run_id:
        return []
    try:
        last = await selectors.get_run(identity, UUID(run_id))
    except ValueError as error:
        raise selectors.not_found() from error
    if last["agent_id"] != agent_id:
        raise selectors.not_found()
    try:
        conversation = await selectors.get_conversation(identity, UUID(last["conversation_id"]))
    except Problem:
        return [last]  # its first run is still under way
    return [*(run for run in conversation["runs"] if run["run_id"] < last["run_id"]), last]


@login_required
@require_safe
def usage(request: HttpRequest) -> HttpResponse:
    """Show what the tenant's agents used in the last 30 days."""
    shown = _usage(request)
    whole, left = async_to_sync(health_page.left_today)(identity_of(request))
    context = {
        **shell.beside(request, shell.USAGE),
        "usage": shown,
        "most": figures.compact(shown.most),
        "half": figures.compact(shown.most // 2),
        "tokens": figures.compact(shown.total.tokens),
        "tokens_trend": figures.trend(shown.total.tokens, shown.before.tokens),
        "runs_trend": figures.trend(shown.total.runs, shown.before.runs),
        "cost": amount(shown.total.cost, is_money=True),
        "left_whole": whole,
        "agents": [
            (each, left.get(each.agent_id), amount(each.total.cost, is_money=True)) for each in shown.agents
        ],
    }
    return render(request, "governance/usage.html", context)


@login_required
@require_safe
def usage_file(request: HttpRequest) -> HttpResponse:
    """Give the same figures by day and agent as CSV."""
    shown = _usage(request)
    name = f"usage-{tenancy.tenant().schema}-{shown.first}-to-{shown.last}.csv"
    return attachment(spreadsheet.usage_csv(shown), "text/csv; charset=utf-8", name)


def _usage(request: HttpRequest) -> figures.Usage:
    identity = identity_of(request)
    check(identity, "agents.view_executionlog")
    return figures.usage_of(identity, datetime.now(UTC).date())


@login_required
@require_safe
def demo_document(request: HttpRequest, name: str) -> HttpResponse:
    """Serve a document of the demo, as text."""
    if not settings.DEMO_MODEL_URL or not any(name in names for names in DEMO_DOCUMENTS.values()):
        raise Problem("not_found", "There is no such demo document.")
    content = (DEMO_FOLDER / name).read_bytes()
    return HttpResponse(content, headers={"Content-Type": "text/plain; charset=utf-8"})

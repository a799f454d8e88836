"""Pages of runs: the list, one run, what it was told, and its answer as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.exports import attachment, word
from governance.health import refusals
from governance.models import Run
from governance.rendering import markdown
from governance.runs import selectors, told
from qualisys.access import check
from qualisys.icons import icon_of
from tenants import discovery
from tenants.identity import Identity, identity_of
from tenants.models import User

#: Rows on a page of the list.
PAGE = 30


@login_required
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """List runs, newest first, filtered by `?agent=`, `?status=`, `?who=` (a person's id) and `?q=` (words)."""
    identity = identity_of(request)
    check(identity, "governance.view_run")
    chosen = {
        name: request.GET.get(name, "")[: selectors.MAX_FILTER] for name in ("agent", "status", "who", "q")
    }
    filters = selectors.filters_of(
        agent_id=chosen["agent"], status=chosen["status"], who=chosen["who"], text=chosen["q"]
    )
    page = async_to_sync(selectors.list_runs)(
        identity, filters=filters, cursor=request.GET.get("cursor"), limit=PAGE
    )
    cards = async_to_sync(discovery.discover)(identity)
    items = dressed(page["items"], cards)
    context = {
        "runs": items,
        "next_cursor": page["next_cursor"],
        "first_page": not request.GET.get("cursor"),
        "under_way": any(item["status"] in ("queued", "running") for item in items),
        "cards": cards,
        "may_run": any(card["may_run"] for card in cards),
        "people": _people(identity, filters.user_id),
        "statuses": [*Run.Status.choices, (refusals.REFUSED, "Refused")],
        "chosen": chosen,
        "filtered": [name for name, value in chosen.items() if value],
        "chosen_agent": next((card for card in cards if card["agent_id"] == chosen["agent"]), None),
        "shows_usage": identity.has_perm("agents.view_executionlog"),
    }
    return render(request, "governance/runs.html", context)


def _people(identity: Identity, chosen: UUID | None) -> list[tuple[str, str]]:
    """Return whose runs a list can be narrowed to, as (id, name): oneself first, then by name.

    Only people whose runs the identity may see: the list tells nobody who the members are.
    """
    seen = async_to_sync(selectors.people)(identity)
    known = User.objects.in_bulk(seen - {identity.user_id})
    others = sorted(
        ((str(pk), str(person)) for pk, person in known.items()), key=lambda each: each[1].lower()
    )
    if chosen and chosen != identity.user_id and chosen not in known:
        others.append((str(chosen), "Somebody else"))
    return [(str(identity.user_id), "You"), *others]


@login_required
@require_safe
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show one run, ended or under way."""
    identity = identity_of(request)
    check(identity, "governance.view_run")
    found = async_to_sync(selectors.get_run)(identity, run_id)
    cards = async_to_sync(discovery.discover)(identity)
    ended = found["status"] not in ("queued", "running")
    is_text = ended and found["structured_output"] is None and not found["output"].lstrip().startswith("{")
    context = {
        "run": dressed([found], cards)[0],
        "data": {**found, "refused": refusals.is_refused(found)},
        "html": markdown(found["output"]) if is_text else "",
        "may_run": any(card["agent_id"] == found["agent_id"] and card["may_run"] for card in cards),
        "is_own": is_own(identity, found),
        "may_stop": is_own(identity, found) or identity.has_perm("governance.change_run"),
        "shows_told": identity.has_perm(told.PERM),
    }
    return render(request, "governance/run.html", context)


@login_required
@require_safe
def run_told(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show what the model was told in a run, as the piece that the run's page loads."""
    found = async_to_sync(told.told)(identity_of(request), run_id)
    return render(request, "governance/told.html", {"told": found})


@login_required
@require_safe
def run_document(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Give the answer of an ended run as a Word document."""
    identity = identity_of(request)
    check(identity, "governance.view_run")
    found = async_to_sync(selectors.get_run)(identity, run_id)
    shown = dressed([found], async_to_sync(discovery.discover)(identity))[0]
    content = word.word_document(found, agent_name=shown["agent_name"], who=shown["who"])
    name = f"{found['agent_id']}-{found['run_id'][-8:]}.docx"
    return attachment(content, word.CONTENT_TYPE, name)


def is_own(identity: Identity, run: Mapping[str, Any]) -> bool:
    return bool(run["user_id"] == str(identity.user_id))


def dressed(items: Iterable[Mapping[str, Any]], cards: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return runs with what a list shows beside them: the agent's name and icon, and who asked."""
    known = {card["agent_id"]: card for card in cards}
    items = list(items)
    people = User.objects.in_bulk({UUID(item["user_id"]) for item in items})
    found = []
    for item in items:
        card = known.get(item["agent_id"])
        person = people.get(UUID(item["user_id"]))
        found.append(
            {
                **item,
                "agent_name": card["name"] if card else item["agent_id"],
                "icon": icon_of(card["icon"]) if card else "default-agent",
                "who": str(person) if person else "someone who left",
                "refused": refusals.is_refused(item),
            }
        )
    return found

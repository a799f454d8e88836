"""Discovering, running and following agents: what members and integrators call."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.decorators import decorate_view

from agents import selectors as agent_selectors
from governance.runs import background, selectors, told
from governance.runs.api import SSE, join_run, position_of
from governance.runs.execution import Execution
from governance.runs.orchestrator import start
from governance.runs.replay import UNDER_WAY, events_of
from governance.runs.request import RunRequest, prepare
from governance.runs.sse import EventStream
from governance.runs.stream import Event, follow
from governance.schemas import AgentCard, AgentDetail, MetricsOut, RunIn, RunOut, TrialIn
from qualisys import tenancy
from qualisys.access import Requires
from qualisys.database.threads import in_thread
from qualisys.lean import lean
from qualisys.problems import Problem, invalid
from qualisys.schemas import REFUSALS, Page
from tenants import discovery, effective
from tenants.identity import Identity, identity_of
from tenants.overrides import services as overrides
from tenants.overrides.checks import check_wishes
from tenants.overrides.merge import Override
from tenants.overrides.wishes import Wishes

agents = Router(tags=["agents"])
#: Beside the configuration's own routes, because runs are made here.
trials = Router(tags=["configuration"])

#: Seconds `POST /runs` waits for the end at most, and unless the caller says otherwise.
MAX_WAIT = 120

_WAIT = re.compile(r"\bwait=(\d{1,4})\b")


@agents.get(
    "",
    response={200: Page[AgentCard], **REFUSALS},
    auth=Requires("agents.view_agentdefinition", where="tenant"),
)
async def discover(request: HttpRequest, tag: Query[list[str]] = []) -> dict[str, Any]:  # noqa: B006
    """List the agents you may see, by name."""
    return {"items": await discovery.discover(identity_of(request), tag), "next_cursor": None}


@agents.get(
    "/{agent_id}",
    response={200: AgentDetail, **REFUSALS},
    auth=Requires("agents.view_agentdefinition", where="tenant"),
)
async def get_agent(request: HttpRequest, agent_id: str) -> dict[str, Any]:
    """Describe one agent you may see."""
    identity = identity_of(request)
    agent = await effective.visible(identity, agent_id)
    found = await discovery.card(identity, agent)
    if found is None:
        raise agent_selectors.agent_not_found(agent_id)
    settled = await effective.resolve(tenancy.tenant(), agent)
    return {
        **found,
        "phase": agent.phase,
        "input_types": list(agent.input_types),
        "structured": bool(settled.output_schema),
        "timeout_seconds": settled.timeout_seconds,
        "approval_gates": list(settled.gates),
    }


@agents.get(
    "/{agent_id}/metrics",
    response={200: MetricsOut, **REFUSALS},
    auth=Requires("agents.view_executionlog", where="tenant"),
)
async def metrics(request: HttpRequest, agent_id: str) -> dict[str, Any]:
    """Show the last 24 hours of an agent in your organisation, by version."""
    await effective.visible(identity_of(request), agent_id)
    rows = await in_thread(agent_selectors.metrics_by_version, agent_id, tenancy.tenant().id)
    return {"agent_id": agent_id, "versions": rows}


@agents.post(
    "/{agent_id}/runs",
    response={201: RunOut, 202: RunOut, **REFUSALS},
    auth=Requires("governance.add_run", where="tenant"),
)
@decorate_view(lean)
async def create_run(request: HttpRequest, agent_id: str, body: RunIn) -> HttpResponse:
    """Run an agent. Answers 201 when finished, 202 with `Location` when it takes longer than `Prefer: wait`."""
    identity = identity_of(request)
    wait = _preferred_wait(request)
    asked = await _request(identity, agent_id, body)
    if wait == 0:
        queued = await background.enqueue(identity, agent_id, asked)
        return _answer(202, queued["run_id"], orjson.dumps(queued))
    execution = await start(identity, agent_id, asked, mode="request")
    # A caller that hangs up cancels the run.
    request.listen(partial(execution.cancel, "caller gone"))  # type: ignore[attr-defined]
    end = await execution.finished(wait)
    left = execution.bounds.admitted.headers
    if end is None:
        execution.mode = "background"
        return _answer(202, execution.begun["run_id"], execution.shown(), left)
    if problem := end.problem:
        raise Problem(
            problem.code,
            problem.detail,
            problem.errors,
            {**left, **(problem.headers or {})},
            _with_run(problem, execution),
        )
    return _answer(201, execution.begun["run_id"], execution.shown(), left)


def _answer(status: int, run_id: str, run: bytes, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a run as it is: to hold it against its schema once more would cost a tenth of the whole run."""
    told = {"Location": f"/api/v1/runs/{run_id}", **(headers or {})}
    return HttpResponse(run, status=status, content_type="application/json; charset=utf-8", headers=told)


def _followed(execution: Execution, identity: Identity) -> EventStream:
    return EventStream(
        execution.lease.run_id, follow(execution.log), identity, execution.bounds.admitted.headers
    )


def _with_run(problem: Problem, execution: Execution) -> dict[str, Any]:
    return {**(problem.extra or {}), "run_id": str(execution.lease.run_id)}


async def _request(identity: Identity, agent_id: str, body: RunIn) -> RunRequest:
    agent = await effective.visible(identity, agent_id)
    files = [each.upload(index) for index, each in enumerate(body.files)]
    return await prepare(
        agent, text=body.input, files=files, conversation_id=body.conversation_id, parameters=body.parameters
    )


def _preferred_wait(request: HttpRequest) -> int:
    prefer = request.META.get("HTTP_PREFER", "")
    if match := _WAIT.search(prefer):
        seconds = int(match.group(1))
        if seconds > MAX_WAIT:
            raise invalid("Prefer", "range", f"wait may be {MAX_WAIT} seconds at most.")
        return seconds
    return 0 if "respond-async" in prefer else MAX_WAIT


@agents.post(
    "/{agent_id}/stream",
    response={200: None, **REFUSALS},
    openapi_extra=SSE,
    auth=Requires("governance.add_run", where="tenant"),
)
@decorate_view(lean)
async def stream_run(request: HttpRequest, agent_id: str, body: RunIn) -> HttpResponse:
    """Run an agent and follow it as server-sent events."""
    identity = identity_of(request)
    if (joined := getattr(request, "continued_run", None)) is not None:
        return await join_run(identity, joined, 0)
    execution = await start(identity, agent_id, await _request(identity, agent_id, body), mode="stream")
    return _followed(execution, identity)


@trials.post(
    "/{agent_id}/config/trial",
    response={200: None, **REFUSALS},
    openapi_extra=SSE,
    auth=Requires("tenants.change_tenantagentconfig", where="tenant"),
)
async def try_config(request: HttpRequest, agent_id: str, body: TrialIn) -> HttpResponse:
    """Run an agent under a draft of its configuration, before saving it: governed, logged and charged as any run."""
    identity, tenant = identity_of(request), tenancy.tenant()
    agent = await effective.visible(identity, agent_id, even_off=True)
    wishes = body.config.wishes().model_copy(update={"enabled": True})
    await in_thread(_check_draft, tenant, agent_id, wishes)
    asked = told.with_draft(await prepare(agent, text=body.input), wishes)
    execution = await start(identity, agent_id, asked, mode="stream", draft=Override(wishes))
    return _followed(execution, identity)


def _check_draft(tenant: tenancy.Tenant, agent_id: str, wishes: Wishes) -> None:
    check_wishes(tenant, overrides.enabled_agent(agent_id), wishes)


@agents.get(
    "/{agent_id}/stream",
    response={200: None, 204: None, **REFUSALS},
    openapi_extra=SSE,
    auth=Requires("governance.add_run", where="tenant"),
)
async def stream_for_event_source(
    request: HttpRequest,
    agent_id: str,
    input: str = "",  # noqa: A002 - the contract names it so
    conversation_id: UUID | None = None,
) -> HttpResponse:
    """Run an agent from an EventSource; a reconnect attaches to the run it began, and never starts another."""
    identity = identity_of(request)
    if last := request.headers.get("Last-Event-ID"):
        run_id, position = position_of(last)
        run = await selectors.get_run(identity, run_id)
        events = events_of(identity, run_id, position)
        if run["status"] not in UNDER_WAY:
            # Nothing more will come: what the reader has missed, or the sign to stop reconnecting.
            missed = [event async for event in events]
            if not missed:
                return HttpResponse(status=204)
            events = _each(missed)
        return EventStream(run_id, events, identity)
    body = RunIn(input=input, conversation_id=conversation_id)
    execution = await start(identity, agent_id, await _request(identity, agent_id, body), mode="stream")
    return _followed(execution, identity)


async def _each(events: list[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event

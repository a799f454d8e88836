"""What a run was really told: built again from versions and revisions, which never change, and proved by its hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from pydantic import ValidationError

from agents.guard.admission import lease_key
from agents.models import AgentDefinition
from agents.registry import from_model
from governance.models import Run
from governance.runs import selectors
from governance.runs.request import RunRequest
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.access import check
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from tenants import effective
from tenants.identity import Identity
from tenants.overrides import registry
from tenants.overrides.merge import NO_OVERRIDE, Effective, Override, merge
from tenants.overrides.models import TenantAgentConfigRevision
from tenants.overrides.wishes import Wishes
from versions import registry as versions
from versions.models import AgentVersion
from versions.rollout import Reason

PERM = "tenants.view_tenantagentconfig"

#: What a run keeps beside what everybody who sees it is shown.
_KEPT = ("content_hash", "provider", "model", "parameters")

NOT_STARTED = "The run waits still; it is told what holds when it starts."
NO_HASH = "The run is older than the record of what runs are told, so nothing proves this text."
NOT_STORED = "The run ended a moment ago and is being stored. Look again in a few seconds."
OTHER_TEXT = "What is kept gives another text than the one the run was told: version or revision was altered."
OTHER_VERSION = "The version's content is not the one that the run was started with."
NO_DRAFT = "The run was a trial of a draft, and the draft was not kept."


class _LostError(Exception):
    """Something that the text was made of is not there; the words say what."""


@dataclass(frozen=True, slots=True)
class Told:
    """The text that fits the run best, and why it is not proved (empty: it is)."""

    settled: Effective | None
    reason: str


def with_draft(asked: RunRequest, wishes: Wishes) -> RunRequest:
    """Return a trial's request with the draft that it tries: no revision keeps it."""
    return replace(asked, parameters={"trial": True, "draft": wishes.stored()})


async def told(identity: Identity, run_id: UUID) -> dict[str, Any]:
    """Return what the model was told in a run, in the contract's shape.

    Raises `permission_denied` for whoever may not configure agents, `not_found` for runs they may not see.
    """
    check(identity, "governance.view_run")
    check(identity, PERM)
    tenant = tenancy.tenant()
    run = await selectors.get_run(identity, run_id)
    kept = await _under_way(run_id)
    return await in_thread(_show, tenant, run, kept)


async def _under_way(run_id: UUID) -> dict[str, Any] | None:
    try:
        payload = await qredis.client().call("HGET", lease_key(run_id), "payload")
    except RedisUnavailable:
        return None
    return cast("dict[str, Any]", orjson.loads(payload)) if payload else None


def _show(
    tenant: tenancy.Tenant, run: Mapping[str, Any], under_way: Mapping[str, Any] | None
) -> dict[str, Any]:
    kept = under_way or _stored(run)
    found = _rebuilt(tenant, run, kept)
    layers = found.settled.layers if found.settled else ()
    return {
        "run_id": run["run_id"],
        "agent_id": run["agent_id"],
        "version": run["version"],
        "content_hash": kept.get("content_hash"),
        "config_revision": run["config_revision"],
        "layers": [{"kind": layer.kind, "text": layer.text} for layer in layers],
        "system_prompt": found.settled.system_prompt if found.settled else None,
        "prompt_hash": run["prompt_hash"],
        "verified": not found.reason,
        "reason": found.reason,
        "provider": kept.get("provider"),
        "model": kept.get("model"),
        "max_tokens": _max_tokens(run, found),
    }


def _stored(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the stored run keeps; nothing where its row is of before it started, or not written yet."""
    rows = Run.objects.filter(pk=run["run_id"], version=run["version"], prompt_hash=run["prompt_hash"])
    return rows.values(*_KEPT).first() or {}


def _max_tokens(run: Mapping[str, Any], found: Told) -> int | None:
    """Return the limit of the run; None where the agent was changed since, as no run keeps its limit."""
    settled = found.settled
    if settled is None or found.reason:
        return None
    began = datetime.fromisoformat(run["created_at"])
    same = AgentDefinition.objects.filter(agent_id=run["agent_id"], updated_at__lte=began).exists()
    return settled.max_tokens if same else None


def _rebuilt(tenant: tenancy.Tenant, run: Mapping[str, Any], kept: Mapping[str, Any]) -> Told:
    try:
        candidates = list(_candidates(tenant, run, kept))
    except _LostError as lost:
        return Told(None, str(lost))
    proved = next((each for each in candidates if each.prompt_hash == run["prompt_hash"]), None)
    if run["status"] == "queued":
        return Told(proved or candidates[0], NOT_STARTED)
    if not run["prompt_hash"]:
        return Told(candidates[0], NO_HASH)
    if proved is None:
        return _unproved(run, kept, candidates[0])
    if kept.get("content_hash") not in (None, proved.version.content_hash):
        return Told(proved, OTHER_VERSION)
    return Told(proved, "")


def _unproved(run: Mapping[str, Any], kept: Mapping[str, Any], closest: Effective) -> Told:
    if run["config_revision"] == 0:
        if not kept:
            return Told(None, NOT_STORED)
        if kept["parameters"].get("trial") and _draft(kept) is None:
            return Told(None, NO_DRAFT)
    return Told(closest, OTHER_TEXT)


def _candidates(
    tenant: tenancy.Tenant, run: Mapping[str, Any], kept: Mapping[str, Any]
) -> Iterator[Effective]:
    """Give the texts that the run can have been told, the likeliest first."""
    row = AgentVersion.objects.filter(agent__agent_id=run["agent_id"], version=run["version"]).first()
    if row is None:
        raise _LostError(f"Version {run['version']} of the agent is not there.")
    agent, version = (
        from_model(AgentDefinition.objects.get(agent_id=run["agent_id"])),
        versions.from_model(row),
    )
    override = _override(tenant, run, kept)
    # A tier of today says nothing about the tier of then.
    today = effective.may_replace(tenant.tier)
    for wished in (override, NO_OVERRIDE) if run["config_revision"] == 0 else (override,):
        for may_replace in (today, not today):
            reason = cast(Reason, run["version_reason"])
            yield merge(agent, version, reason, wished, may_replace=may_replace)


def _override(tenant: tenancy.Tenant, run: Mapping[str, Any], kept: Mapping[str, Any]) -> Override:
    number = run["config_revision"]
    if number == 0:
        return Override(_draft(kept) or NO_OVERRIDE.wishes)
    row = TenantAgentConfigRevision.objects.filter(
        tenant_id=tenant.id, agent__agent_id=run["agent_id"], number=number
    ).first()
    if row is None:
        raise _LostError(f"Revision {number} of your configuration is not there.")
    try:
        return Override(registry.wishes_of_revision(row), number)
    except Problem as problem:
        raise _LostError(problem.detail) from problem


def _draft(kept: Mapping[str, Any]) -> Wishes | None:
    """Return the draft of a trial. Whoever runs an agent may write such parameters: only the hash proves a text."""
    parameters = kept.get("parameters") or {}
    try:
        return Wishes.model_validate(parameters["draft"]) if parameters.get("trial") else None
    except (KeyError, ValidationError):
        return None

"""Writes of versions. Registering an agent is here, because it creates the agent's first version."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.utils import timezone

from agents import definitions
from agents import services as agents
from agents.models import AgentDefinition
from agents.selectors import agent_not_found
from qualisys import audit, cache, changes
from qualisys.access import Actor, check
from qualisys.events import emit
from qualisys.problems import Problem, invalid
from versions import semver
from versions.models import AgentVersion, VersionStatus

MAX_CHANGELOG = 5_000


def content_hash(prompt: definitions.Prompt) -> str:
    """Return the SHA-256 (hex) over prompt and schema: what a run was really told."""
    content = {"system_prompt": prompt.system_prompt, "output_schema": prompt.output_schema}
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def register_agent(
    *,
    actor: Actor,
    definition: definitions.Definition,
    prompt: definitions.Prompt,
    changelog: str = "First version.",
) -> AgentDefinition:
    """Create an agent and its version 1.0.0 at 100 %; raise `conflict` if the id is taken."""
    check(actor, "agents.add_agentdefinition")
    changes.ask(changes.Change("agent.register", definition.agent_id, definition.model_dump(mode="json")))
    with transaction.atomic():
        agent = agents.create_agent(actor=actor, definition=definition)
        _insert(actor, agent, semver.FIRST, prompt, changelog, 100)
        emit("agent.registered", {"agent_id": agent.agent_id})
    return agent


def create_version(
    *,
    actor: Actor,
    agent_id: str,
    data: Mapping[str, Any],
    changelog: str,
    bump: semver.Bump = "minor",
    rollout_percentage: int = 10,
) -> AgentVersion:
    """Add a version with the next number; without `output_schema` it keeps the newest version's."""
    check(actor, "versions.add_agentversion")
    _check_share(rollout_percentage)
    if not changelog.strip() or len(changelog) > MAX_CHANGELOG:
        raise invalid("changelog", "changelog", f"Say what changed, in 1 to {MAX_CHANGELOG} characters.")
    changes.ask(
        changes.Change("version.create", agent_id, {**data, "rollout_percentage": rollout_percentage})
    )
    with transaction.atomic():
        # The lock on the agent makes numbering safe against a second author.
        agent = AgentDefinition.objects.select_for_update().filter(agent_id=agent_id).first()
        if agent is None:
            raise agent_not_found(agent_id)
        versions = AgentVersion.objects.filter(agent=agent)
        newest = max(versions, key=lambda each: semver.parse(each.version), default=None)
        if newest is None:
            # Nothing can be said about what has no version: it runs for nobody either.
            raise agent_not_found(agent_id)
        schema = data.get("output_schema")
        prompt = definitions.parse_prompt(
            {
                "system_prompt": data.get("system_prompt"),
                "output_schema": newest.output_schema if schema is None else schema,
            }
        )
        number = semver.parse(newest.version).bump(bump)
        row = _insert(actor, agent, number, prompt, changelog.strip(), rollout_percentage)
        emit("version.created", {"agent_id": agent_id, "version": row.version})
    _announce()
    return row


def update_version(
    *,
    actor: Actor,
    agent_id: str,
    version: str,
    rollout_percentage: int | None = None,
    status: str | None = None,
    reason: str = "",
) -> AgentVersion:
    """Move a version's rollout or status; 0 % takes it back everywhere within a second."""
    check(actor, "versions.change_agentversion")
    if rollout_percentage is not None:
        _check_share(rollout_percentage)
    wanted = {"rollout_percentage": rollout_percentage, "status": status}
    changes.ask(changes.Change("version.rollout", f"{agent_id}@{version}", wanted))
    with transaction.atomic(), audit.because(reason):
        row = (
            AgentVersion.objects.select_for_update().filter(agent__agent_id=agent_id, version=version).first()
        )
        if row is None:
            raise Problem("version_not_found", f"There is no version {version[:20]} of '{agent_id[:100]}'.")
        if rollout_percentage is not None:
            row.rollout_percentage = rollout_percentage
        if status is not None:
            _set_status(row, status)
        row.save(update_fields=["rollout_percentage", "status", "retired_at"])
        _keep_one_stable(row)
        emit("version.changed", {"agent_id": agent_id, "version": version, **wanted, "reason": reason})
    _announce()
    return row


def _set_status(row: AgentVersion, status: str) -> None:
    if status not in VersionStatus.values:
        raise invalid("status", "status", f"Use one of {', '.join(VersionStatus.values)}.")
    row.status = status
    row.retired_at = timezone.now() if status == VersionStatus.RETIRED else None


def _keep_one_stable(row: AgentVersion) -> None:
    active = AgentVersion.objects.filter(
        agent__agent_id=row.agent_id, status=VersionStatus.ACTIVE, rollout_percentage=100
    )
    if not active.exists():
        raise Problem(
            "conflict",
            "Tenants outside a rollout would be left without any version. "
            "Bring another version to 100 % before taking this one back.",
        )


def _insert(
    actor: Actor,
    agent: AgentDefinition,
    number: semver.SemVer,
    prompt: definitions.Prompt,
    changelog: str,
    rollout_percentage: int,
) -> AgentVersion:
    user_id = getattr(actor, "user_id", None)
    return AgentVersion.objects.create(
        agent=agent,
        version=str(number),
        system_prompt=prompt.system_prompt,
        output_schema=prompt.output_schema,
        content_hash=content_hash(prompt),
        changelog=changelog,
        rollout_percentage=rollout_percentage,
        author_id=user_id if isinstance(user_id, UUID) else None,
        author=actor.actor_id,
    )


def _check_share(percentage: int) -> None:
    if not 0 <= percentage <= 100:
        raise invalid("rollout_percentage", "range", "A rollout is a whole percentage from 0 to 100.")


def _announce() -> None:
    transaction.on_commit(lambda: cache.bump_quietly(cache.AGENTS))

"""Reads of agents with their versions, for the console and the administration API."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from agents import selectors as agents
from agents.models import AgentDefinition
from versions import registry, rollout, semver
from versions.models import AgentVersion


def show_agent(agent: AgentDefinition) -> dict[str, Any]:
    """Return an agent in the specification's shape; version, prompt and schema are the stable version's."""
    current = rollout.stable(registry.load(agent.agent_id))
    fields = (
        "agent_id", "name", "description", "type", "phase", "llm_provider", "llm_model", "fallbacks",
        "max_tokens_per_invocation", "timeout_seconds", "input_types", "required_roles", "access", "approval_gates",
        "tags", "icon", "enabled", "metadata",
    )  # fmt: skip
    shown = {name: getattr(agent, name) for name in fields}
    return {
        **shown,
        "version": str(current.number) if current else None,
        "system_prompt": current.system_prompt if current else "",
        "output_schema": current.output_schema if current else {},
        "first_execution_at": agent.first_execution_at.isoformat() if agent.first_execution_at else None,
        "created_at": agent.created_at.isoformat(),
        "updated_at": agent.updated_at.isoformat(),
    }


def show_version(version: AgentVersion) -> dict[str, Any]:
    """Return a version in the contract's shape."""
    return {
        "agent_id": version.agent_id,
        "version": version.version,
        "system_prompt": version.system_prompt,
        "output_schema": version.output_schema,
        "changelog": version.changelog,
        "status": version.status,
        "rollout_percentage": version.rollout_percentage,
        "content_hash": version.content_hash,
        "author": version.author,
        "created_at": version.created_at.isoformat(),
        "retired_at": version.retired_at.isoformat() if version.retired_at else None,
    }


def list_versions(agent_id: str) -> list[AgentVersion]:
    """Return every version of an agent, newest first; raise `agent_not_found`."""
    agents.get_agent(agent_id)
    rows = AgentVersion.objects.filter(agent__agent_id=agent_id)
    return sorted(rows, key=lambda row: semver.parse(row.version), reverse=True)


def etag(agent: AgentDefinition) -> str:
    """Return the entity tag of an agent's editable fields."""
    return f'"{sha256(f"{agent.agent_id} {agent.updated_at.isoformat()}".encode()).hexdigest()[:32]}"'

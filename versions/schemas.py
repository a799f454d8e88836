"""Shapes of the agent administration API."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field

from agents.definitions import Definition, Fallback, Prompt


class AgentIn(Definition, Prompt):
    """What registers an agent: its definition, and the prompt and schema of its version 1.0.0."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "agent_id": "release-notes",
                "name": "Release notes",
                "description": "Turns a list of merged changes into release notes.",
                "system_prompt": "You write release notes for users. Group by theme; never invent a change.",
                "llm_provider": "openai",
                "llm_model": "gpt-4o",
                "required_roles": ["owner", "admin", "dev"],
                "tags": ["release"],
                "output_schema": {},
            }
        },
    )

    version: Literal["1.0.0"] | None = Field(default=None, description="A new agent starts at 1.0.0.")


class AgentChange(Definition):
    """What replaces an agent: the body of its registration. Id, prompt and schema must be what they are."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"name": "Release notes", "required_roles": ["owner", "dev"], "enabled": True}
        },
    )

    agent_id: str | None = None  # type: ignore[assignment]
    system_prompt: str | None = None
    output_schema: dict[str, Any] | None = None
    version: str | None = None


class AgentOut(Schema):
    """An agent as administrators see it."""

    agent_id: str
    name: str
    description: str
    type: str
    phase: str
    version: str | None
    system_prompt: str
    output_schema: dict[str, Any]
    llm_provider: str
    llm_model: str
    fallbacks: list[Fallback]
    max_tokens_per_invocation: int
    timeout_seconds: int
    input_types: list[str]
    required_roles: list[str]
    access: dict[str, str]
    approval_gates: list[dict[str, Any]]
    tags: list[str]
    icon: str
    enabled: bool
    metadata: dict[str, Any]
    first_execution_at: str | None
    created_at: str
    updated_at: str


class VersionIn(Schema):
    """A new version; without `output_schema` it keeps the newest one's."""

    model_config = ConfigDict(extra="forbid")

    system_prompt: str = Field(examples=["You are a business analyst. ..."])
    changelog: str = Field(examples=["Asks for measurable acceptance criteria."])
    bump: Literal["major", "minor", "patch"] = "minor"
    output_schema: dict[str, Any] | None = None
    rollout_percentage: int = Field(default=10, ge=0, le=100, strict=True)


class VersionChange(Schema):
    """A version's rollout or status, and why."""

    model_config = ConfigDict(extra="forbid")

    rollout_percentage: int | None = Field(default=None, ge=0, le=100, strict=True, examples=[50])
    status: Literal["active", "deprecated", "retired"] | None = None
    reason: str = Field(default="", max_length=1000)


class VersionOut(Schema):
    """A version of an agent."""

    agent_id: str
    version: str
    system_prompt: str
    output_schema: dict[str, Any]
    changelog: str
    status: str
    rollout_percentage: int
    content_hash: str
    author: str
    created_at: str
    retired_at: str | None

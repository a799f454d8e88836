"""Shapes of the tenant configuration API."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from tenants.overrides.wishes import Wishes


class ConfigIn(Wishes):
    """What replaces a tenant's override of an agent, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "custom_prompt": "Follow ISO 13485 wording. Number every requirement as REQ-<area>-<number>.",
                "prompt_override_mode": "append",
                "max_tokens_override": 4000,
                "custom_tags": ["medical"],
                "reason": "Our auditors ask for numbered requirements.",
            }
        },
    )

    reason: str = Field(default="", max_length=1000)

    def wishes(self) -> Wishes:
        """Return the override without its reason."""
        return Wishes.model_validate(self.model_dump(exclude={"reason"}))


class RestoreIn(BaseModel):
    """Which revision comes back, and why."""

    model_config = ConfigDict(extra="forbid")

    revision: int = Field(ge=1, examples=[3], strict=True)
    reason: str = Field(default="", max_length=1000)


class ConfigOut(Schema):
    """A tenant's configuration of an agent: what it wishes, what holds, and what held before."""

    agent_id: str
    tenant_id: str
    enabled: bool
    custom_prompt: str | None
    prompt_override_mode: str
    acknowledge_replace: bool
    custom_output_template: dict[str, Any] | None
    approval_workflow_override: dict[str, Any] | None
    max_tokens_override: int | None
    llm_provider_override: str | None
    llm_model_override: str | None
    fallbacks: str
    pinned_version: str | None
    custom_tags: list[str]
    metadata: dict[str, Any]
    revision: int
    updated_at: str | None
    effective: dict[str, Any] = Field(
        description="Each field as {value, provenance}, and the prompt's layers."
    )
    base_change: dict[str, Any] | None = Field(
        description="What changed under your prompt since it was written."
    )
    history: list[dict[str, Any]]


class PreviewOut(Schema):
    """What would hold under a draft, and what keeps it from being saved."""

    effective: dict[str, Any] | None
    problem: dict[str, Any] | None
    characters: int
    tokens: int = Field(description="A conservative estimate for the whole effective prompt.")


class TenantAgentOut(Schema):
    """An agent that the platform offers, as this organisation has set it up."""

    agent_id: str
    name: str
    description: str
    icon: str
    tags: list[str]
    enabled: bool
    version: str
    version_reason: str
    llm_provider: str
    llm_model: str
    model_overridden: bool
    prompt_mode: str | None
    customized: bool
    revision: int
    base_changed: bool


class SupportOut(Schema):
    """A tenant's override as the platform's support sees it."""

    agent_id: str
    tenant: str
    custom_prompt: str | None
    prompt_override_mode: str | None
    config: dict[str, Any] | None
    revision: int
    effective: dict[str, Any]

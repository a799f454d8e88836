"""What a tenant may wish for an agent: the one shape that API, pages and services read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from agents.definitions import Tag
from agents.gates import Gate
from qualisys.text import unstorable

Mode = Literal["append", "prepend", "replace"]
#: Which other models may answer when the agent's own is away.
Consent = Literal["none", "same_provider", "any"]

#: Bytes that the free-form parts may have, each.
MAX_METADATA, MAX_TEMPLATE = 16_384, 65_536


class Workflow(BaseModel):
    """Approval gates beyond the agent's own: new ones, or tighter ones under a name it has."""

    model_config = ConfigDict(extra="forbid")

    gates: list[Gate] = Field(default_factory=list, max_length=20)


class Wishes(BaseModel):
    """An override as it is sent; what is left out is the platform's default."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = Field(default=True, strict=True)
    custom_prompt: str | None = Field(
        default=None, examples=["Follow ISO 13485 wording. Number every requirement as REQ-<area>-<number>."]
    )
    prompt_override_mode: Mode = "append"
    acknowledge_replace: bool = Field(default=False, strict=True)
    custom_output_template: dict[str, Any] | None = None
    approval_workflow_override: Workflow | None = None
    max_tokens_override: int | None = Field(default=None, ge=1, le=200_000, strict=True)
    llm_provider_override: Annotated[str, StringConstraints(min_length=1, max_length=50)] | None = None
    llm_model_override: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    fallbacks: Consent = Field(
        default="same_provider",
        description="Which of the agent's other models may answer while its own is away: none, those of the provider "
        "that answers otherwise, or any.",
    )
    pinned_version: Annotated[str, StringConstraints(min_length=5, max_length=20)] | None = None
    custom_tags: list[Tag] = Field(default_factory=list, max_length=20)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("*", mode="before")
    @classmethod
    def storable(cls, value: Any, info: Any) -> Any:
        """Refuse what PostgreSQL cannot store; the prompt has rules of its own, which say it better."""
        if info.field_name != "custom_prompt" and unstorable(value):
            raise ValueError("must be valid UTF-8 text without NUL characters, and numbers within 64 bits")
        return value

    @field_validator("custom_prompt")
    @classmethod
    def blank_is_none(cls, value: str | None) -> str | None:
        """Take an empty prompt for none, as a form sends it."""
        return value if value and value.strip() else None

    @field_validator("custom_tags")
    @classmethod
    def each_once(cls, value: list[str]) -> list[str]:
        """Drop repeated tags."""
        return list(dict.fromkeys(value))

    @field_validator("metadata")
    @classmethod
    def small_metadata(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse metadata that is a document."""
        return _bounded(value, MAX_METADATA)

    @field_validator("custom_output_template")
    @classmethod
    def small_template(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Take an empty template for none; refuse one that would fill the prompt."""
        return _bounded(value, MAX_TEMPLATE) if value else None

    @property
    def gates(self) -> list[Gate]:
        """The gates that are added or tightened."""
        return self.approval_workflow_override.gates if self.approval_workflow_override else []

    def stored(self) -> dict[str, Any]:
        """Return the fields as JSON values, in the specification's names."""
        return self.model_dump(mode="json")


def _bounded(value: dict[str, Any], limit: int) -> dict[str, Any]:
    if len(orjson.dumps(value)) > limit:
        raise ValueError(f"may have {limit // 1024} kB at most")
    return value

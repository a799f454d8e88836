"""Shapes of runs, conversations and discovery."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from governance.runs.request import Upload
from qualisys.problems import invalid
from tenants.overrides.schemas import ConfigIn


class FileIn(BaseModel):
    """A file inside a JSON body."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=255, examples=["requirements.md"])
    content: str = Field(description="The file's bytes in base64.", examples=["IyBSZXF1aXJlbWVudHMK"])

    def upload(self, index: int) -> Upload:
        """Return the file; raise a `validation_error` where the content is not base64."""
        try:
            return Upload(self.name, base64.b64decode(self.content, validate=True))
        except (binascii.Error, ValueError) as error:
            raise invalid(f"files.{index}.content", "base64", "Send the file's bytes in base64.") from error


class RunIn(BaseModel):
    """What is asked of an agent."""

    # No Ninja schema: what it adds, reading the attributes of objects, would cost every run dearly.

    model_config = ConfigDict(extra="forbid")

    input: str = Field(
        default="", max_length=2_000_000, examples=["REQ-1 The portal shall sign users out after 15 min."]
    )
    files: list[FileIn] = Field(default_factory=list, max_length=10)
    artifacts: list[UUID] = Field(default_factory=list, max_length=0, description="Not available yet.")
    conversation_id: UUID | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class TrialIn(BaseModel):
    """A draft of an agent's configuration and what to ask it."""

    model_config = ConfigDict(extra="forbid")

    config: ConfigIn
    input: str = Field(max_length=200_000, examples=["REQ-1 The portal shall sign users out after 15 min."])


class UsageOut(Schema):
    """Tokens of a run; `estimated` where the provider did not say."""

    input_tokens: int
    output_tokens: int
    estimated: bool


class RunOut(Schema):
    """A run."""

    run_id: UUID
    agent_id: str
    version: str = Field(examples=["1.0.0"])
    version_reason: str = Field(examples=["stable"])
    status: str = Field(examples=["completed"])
    output: str
    structured_output: Any = None
    problem: dict[str, Any] | None = None
    tokens_used: int
    usage: UsageOut
    execution_time_ms: int
    conversation_id: UUID
    gates: list[dict[str, Any]] = []
    created_at: str
    demo: bool
    provider: str = Field(default="", examples=["openai"])
    model: str = Field(default="", examples=["gpt-4o"])
    fallback_from: str = Field(default="", description="Provider and model in whose place it answered.")
    cost: float = Field(default=0, description="US dollars, by the platform's price table.")
    config_revision: int = Field(
        default=0, description="The organisation's configuration it ran under; 0: none."
    )
    prompt_hash: str = Field(default="", description="SHA-256 of what the model was told.")
    input: str = ""
    documents: list[str] = []
    user_id: UUID


class LayerOut(Schema):
    """A stretch of the prompt and whose it is: base, locked, tenant or template."""

    kind: str = Field(examples=["tenant"])
    text: str


class ToldOut(Schema):
    """What the model was told in a run."""

    run_id: UUID
    agent_id: str
    version: str = Field(examples=["1.0.0"])
    content_hash: str | None = Field(description="Of the version; null while the run is being stored.")
    config_revision: int
    layers: list[LayerOut] = Field(
        description="Joined, they are the prompt. Empty where nothing can be rebuilt."
    )
    system_prompt: str | None
    prompt_hash: str = Field(description="SHA-256 of what the model was told, taken when the run began.")
    verified: bool = Field(description="Whether the text has this hash, so that it is what was told.")
    reason: str = Field(description="Why it is not verified; empty where it is.")
    provider: str | None
    model: str | None
    max_tokens: int | None = Field(description="Null where the agent was changed after the run began.")


class AgentCard(Schema):
    """An agent as members discover it: never a prompt."""

    agent_id: str
    name: str
    description: str
    tags: list[str]
    icon: str
    version: str
    may_run: bool = Field(description="Whether your role may run it, or only read its runs.")
    model_override: str | None = Field(
        default=None, description="Provider and model, where your organisation has chosen another."
    )


class AgentDetail(AgentCard):
    """What a member needs to run an agent."""

    phase: str
    input_types: list[str]
    structured: bool = Field(description="Whether answers are JSON documents of a fixed schema.")
    timeout_seconds: int
    approval_gates: list[dict[str, Any]]


class ConversationOut(Schema):
    """A conversation with its runs, oldest first."""

    conversation_id: UUID
    agent_id: str
    version: str
    user_id: UUID
    title: str
    created_at: str
    runs: list[RunOut]


class VersionMetrics(Schema):
    """One version's executions of the last 24 hours."""

    version: str
    runs: int
    error_rate: float
    timeouts: int
    tokens: int
    p50_ms: int
    p95_ms: int


class MetricsOut(Schema):
    """An agent's last 24 hours in your organisation."""

    agent_id: str
    hours: int = 24
    versions: list[VersionMetrics]

"""What a well-formed agent definition is (AC4 of story 6.5a): one model for API, console and services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import jsonschema_rs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from agents import gates, segments
from agents.providers import registry as providers
from qualisys.problems import FieldError, Problem
from qualisys.roles import ACCESS, ROLES
from qualisys.text import unstorable

AGENT_ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"
FILE_TYPES = ("pdf", "docx", "xlsx", "csv", "md", "txt", "json")
_SYNONYMS = {"markdown": "md", "text": "txt"}
MAX_PROMPT = 50_000

M = TypeVar("M", bound=BaseModel)

AgentId = Annotated[str, StringConstraints(pattern=AGENT_ID, max_length=100)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=50, strip_whitespace=True)]


Provider = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Model = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Fallback(BaseModel):
    """A model that may answer when the agent's own is away."""

    model_config = ConfigDict(extra="forbid")

    provider: Provider = Field(examples=["anthropic"])
    model: Model = Field(examples=["claude-sonnet-4-20250514"])

    @field_validator("provider")
    @classmethod
    def known_provider(cls, value: str) -> str:
        """Refuse a provider nobody can call."""
        return _known_provider(value)


class Definition(BaseModel):
    """The editable fields of an agent, without its prompt and schema."""

    model_config = ConfigDict(extra="forbid")

    agent_id: AgentId = Field(examples=["release-notes"])
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    description: Annotated[str, StringConstraints(max_length=5_000)] = ""
    type: Literal["builtin", "custom", "marketplace"] = "custom"
    phase: Literal["mvp", "post_mvp", "custom"] = "custom"
    llm_provider: Provider = "openai"
    llm_model: Model = "gpt-4o"
    fallbacks: list[Fallback] = Field(default_factory=list, max_length=5)
    max_tokens_per_invocation: int = Field(default=10_000, ge=100, le=200_000, strict=True)
    timeout_seconds: int = Field(default=120, ge=1, le=3600, strict=True)
    input_types: list[str] = Field(default_factory=list, max_length=20)
    required_roles: list[str] = Field(min_length=1, max_length=20)
    access: dict[str, str] = Field(default_factory=dict)
    approval_gates: list[gates.Gate] = Field(default_factory=list)
    tags: list[Tag] = Field(default_factory=list, max_length=50)
    icon: Annotated[str, StringConstraints(max_length=100)] = "default-agent"
    enabled: bool = Field(default=True, strict=True)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("*", mode="before")
    @classmethod
    def storable(cls, value: Any) -> Any:
        """Refuse what PostgreSQL cannot store."""
        return _storable(value)

    @field_validator("llm_provider")
    @classmethod
    def known_provider(cls, value: str) -> str:
        """Refuse a provider nobody can call."""
        return _known_provider(value)

    @field_validator("fallbacks")
    @classmethod
    def other_models(cls, value: list[Fallback], info: ValidationInfo) -> list[Fallback]:
        """Refuse the agent's own model and one that is named twice: neither could ever help."""
        seen = {(info.data.get("llm_provider"), info.data.get("llm_model"))}
        for each in value:
            if (each.provider, each.model) in seen:
                raise ValueError(f"{each.provider} {each.model} is the agent's own model, or is there twice")
            seen.add((each.provider, each.model))
        return value

    @field_validator("required_roles")
    @classmethod
    def known_roles(cls, value: list[str]) -> list[str]:
        """Refuse roles that do not exist, and drop repeats."""
        unknown = sorted(set(value) - set(ROLES))
        if unknown:
            raise ValueError(f"unknown role {', '.join(unknown)}; roles are {', '.join(ROLES)}")
        return list(dict.fromkeys(value))

    @field_validator("access")
    @classmethod
    def known_access(cls, value: dict[str, str]) -> dict[str, str]:
        """Refuse access for unknown roles or of an unknown kind."""
        if unknown := sorted(set(value) - set(ROLES)):
            raise ValueError(f"unknown role {', '.join(unknown)}")
        if wrong := sorted(set(value.values()) - set(ACCESS)):
            raise ValueError(f"unknown access {', '.join(wrong)}; use {', '.join(ACCESS)}")
        return value

    @field_validator("input_types")
    @classmethod
    def known_types(cls, value: list[str]) -> list[str]:
        """Accept the specification's names too ("markdown" is md); refuse what cannot be read."""
        named = [_SYNONYMS.get(each, each) for each in value]
        if unknown := sorted(set(named) - set(FILE_TYPES)):
            raise ValueError(f"unknown file type {', '.join(unknown)}; readable are {', '.join(FILE_TYPES)}")
        return list(dict.fromkeys(named))

    @field_validator("approval_gates")
    @classmethod
    def ordered_gates(cls, value: list[gates.Gate]) -> list[gates.Gate]:
        """Refuse doubled or circular gates."""
        gates.Gates(gates=value)
        return value


class Prompt(BaseModel):
    """What a version carries: the prompt and the schema of its answers."""

    model_config = ConfigDict(extra="forbid")

    system_prompt: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT)]
    output_schema: dict[str, Any] = Field(default_factory=dict)

    @field_validator("*", mode="before")
    @classmethod
    def storable(cls, value: Any) -> Any:
        """Refuse what PostgreSQL cannot store."""
        return _storable(value)

    @field_validator("system_prompt")
    @classmethod
    def not_blank(cls, value: str) -> str:
        """Refuse a prompt of white space."""
        if not segments.plain(value).strip():
            raise ValueError("must not be blank")
        return value

    @field_validator("system_prompt")
    @classmethod
    def paired_marks(cls, value: str) -> str:
        """Refuse a locked segment that does not begin or end."""
        segments.split(value)
        return value

    @field_validator("output_schema")
    @classmethod
    def valid_schema(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is not a JSON Schema, looks outside itself or has a pattern that can run away."""
        check_schema(value)
        return value


def compile_schema(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """Return a validator whose patterns match in linear time."""
    return jsonschema_rs.validator_for(
        dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise ValueError, in plain words, where `schema` is not a usable JSON Schema; {} means free text."""
    if not schema:
        return
    try:
        compile_schema(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ValueError(f"is not a valid JSON Schema: {str(error).splitlines()[0][:300]}") from error


def _known_provider(value: str) -> str:
    if value not in providers.known():
        raise ValueError(f"unknown provider; known are {', '.join(providers.known())}")
    return value


def _storable(value: Any) -> Any:
    if unstorable(value):
        raise ValueError("must be valid UTF-8 text without NUL characters, and numbers within 64 bits")
    return value


def parse(data: Mapping[str, Any]) -> Definition:
    """Return the definition in `data`; raise a `validation_error` that names each failing field."""
    return _validated(Definition, data)


def parse_prompt(data: Mapping[str, Any]) -> Prompt:
    """Return the prompt in `data`; raise a `validation_error` that names each failing field."""
    return _validated(Prompt, data)


def _validated(model: type[M], data: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise as_problem(error) from error


def as_problem(error: ValidationError) -> Problem:
    """Return pydantic's complaints as a problem."""
    errors: list[FieldError] = [
        {
            "field": ".".join(str(part) for part in line["loc"]) or "body",
            "rule": line["type"],
            "message": line["msg"].removeprefix("Value error, "),
        }
        for line in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = errors[0]
    return Problem("validation_error", f"{first['field']}: {first['message']}", errors=errors)

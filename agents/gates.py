"""The shape of an approval gate, as definitions declare it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from qualisys.roles import ROLES

Stage = Literal["before_run", "after_run", "before_release"]


class Gate(BaseModel):
    """One gate: who must agree, when, and under which condition it applies at all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    stage: Stage = "after_run"
    mandatory: bool = True
    condition: Annotated[str, StringConstraints(max_length=1000)] | None = None
    approvers: list[str] = Field(min_length=1)
    required: int = Field(default=1, ge=1, le=10)
    approvers_all: bool = False
    after: str | None = None
    sla_hours: int | None = Field(default=None, ge=1, le=24 * 90)

    @field_validator("approvers")
    @classmethod
    def known_roles(cls, value: list[str]) -> list[str]:
        """Refuse roles that do not exist."""
        unknown = sorted(set(value) - set(ROLES))
        if unknown:
            raise ValueError(f"unknown role {', '.join(unknown)}; roles are {', '.join(ROLES)}")
        return value


class Gates(BaseModel):
    """All gates of an agent: unique names, and an order without circles."""

    gates: list[Gate] = Field(max_length=50)

    @model_validator(mode="after")
    def well_ordered(self) -> Gates:
        """Refuse doubled names and a gate that waits for one that is not before it."""
        seen: set[str] = set()
        for gate in self.gates:
            if gate.name in seen:
                raise ValueError(f"two gates are named {gate.name}")
            if gate.after is not None and gate.after not in seen:
                raise ValueError(f"gate {gate.name} waits for {gate.after}, which is not before it")
            seen.add(gate.name)
        return self

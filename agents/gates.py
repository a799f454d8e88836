"""The shape of an approval gate, as definitions declare it, and what makes one gate tighter than another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from qualisys.roles import ROLES

Stage = Literal["before_run", "after_run", "before_release"]


class Gate(BaseModel):
    """One gate: who must agree, when, and under which condition it applies at all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

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


def merge(base: Sequence[Mapping[str, Any]], wanted: Iterable[Gate]) -> tuple[Mapping[str, Any], ...]:
    """Return the base's gates with those of the same name tightened and the others added behind them.

    Raises ValueError, in plain words, where a gate would become looser or the order has circles.
    """
    merged = {str(gate["name"]): Gate.model_validate(gate) for gate in base}
    for gate in wanted:
        known = merged.get(gate.name)
        if known is not None and (why := next(_looser(known, gate), None)):
            raise ValueError(f"gate {gate.name}: {why}")
        merged[gate.name] = gate
    Gates(gates=list(merged.values()))
    return tuple(gate.model_dump() for gate in merged.values())


def _looser(base: Gate, other: Gate) -> Iterator[str]:
    """Yield in what `other` asks for less than `base`."""
    if other.stage != base.stage:
        yield f"its stage stays {base.stage}"
    if base.mandatory and not other.mandatory:
        yield "it stays mandatory"
    if other.condition not in (None, base.condition):
        yield "its condition can be dropped, not changed"
    if other.required < base.required:
        yield f"it needs {base.required} approvals at least"
    if base.after is not None and other.after != base.after:
        yield f"it stays behind {base.after}"
    if base.sla_hours is not None and (other.sla_hours is None or other.sla_hours > base.sla_hours):
        yield f"its time is {base.sla_hours} hours at most"
    yield from _looser_people(base, other)


def _looser_people(base: Gate, other: Gate) -> Iterator[str]:
    before, after = set(base.approvers), set(other.approvers)
    if base.approvers_all:
        if not other.approvers_all or before - after:
            yield f"all of {', '.join(base.approvers)} must still agree"
    elif strangers := sorted(after - before):
        yield f"{', '.join(strangers)} may not approve it"

"""Reads a load profile: users, rate, ramp, duration, think time, environment, flows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from agents.demo.material import Material
from agents.demo.reading import read_sentences
from agents.demo.requirements import operations
from agents.demo.structured import Table, find_tables

_USERS = re.compile(
    r"\b(?:users|vus|virtual_users)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(\d[\d,]{0,12})|(?<![\d,.])(\d[\d,]{0,12})\s(?:concurrent|simultaneous|virtual|parallel|active)?\s*(?:users|VUs|sessions)\b",
    re.I,
)
_RATE = re.compile(r"\b(\d[\d,.]*)\s+(?:\w+\s+){0,3}?(?:per second|/s\b|rps\b|requests/s)", re.I)
_RAMP = re.compile(
    r"\bramp[\w -]{0,20}?\b(?:takes?|of|over|in|lasts?)?[\s:=\"']*(\d+)\s*(seconds?|s|minutes?|min|m|hours?|h)\b",
    re.I,
)
_STEADY = re.compile(
    r"\b(?:steady|duration|hold|plateau|lasts?|run for)[\w \"':=-]{0,20}?\b(\d+)\s*(seconds?|s|minutes?|min|m|hours?|h)\b",
    re.I,
)
_THINK = re.compile(r"\b(?:think|wait|pause)\w*[\w -]{0,25}?\b(\d+(?:\.\d+)?)\s*(?:seconds?|s)\b", re.I)
_SPIKE = re.compile(r"\bspike[\w ,]{0,40}?(\d[\d,]*)\s+(?:\w+\s+)?users", re.I)
_CEILING = re.compile(
    r"\b(?:not exceed|at most|no more than|maximum of|ceiling of)\s+(\d[\d,]*)\s+(?:\w+\s+)?users", re.I
)
_ENVIRONMENT = re.compile(
    r"\b(production|staging|pre-?production|test environment|test|uat|integration|development)\b", re.I
)
_NAMED_ENVIRONMENT = re.compile(r"\benvironment\s*[:=]\s*(\w[\w -]{1,40})", re.I)
_REQUEST = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+(\S+)", re.I)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
MAX_FLOWS = 20


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow of the profile. `share` is a percentage of the traffic."""

    name: str
    method: str | None
    path: str | None
    share: float | None
    evidence: str


@dataclass
class Profile:
    """The load as the input describes it; None for whatever it leaves open. Times are in seconds."""

    users: int | None = None
    rate: float | None = None
    ramp: int | None = None
    steady: int | None = None
    think: float | None = None
    spike: int | None = None
    ceiling: int | None = None
    environment: str | None = None
    flows: list[Flow] = field(default_factory=list)

    @property
    def production(self) -> bool:
        """Whether the load may hit production; unknown counts as yes."""
        return self.environment is None or self.environment.lower().startswith("production")

    @property
    def most_users(self) -> int:
        """Users that no script may exceed: the stated ceiling, else the spike, else the peak."""
        return self.ceiling or self.spike or self.users or 1

    def as_row(self) -> dict[str, Any]:
        """Return the profile in the shape of the schema."""
        return {
            "users": self.users,
            "arrival_rate": self.rate,
            "ramp_up_seconds": self.ramp,
            "duration_seconds": self.steady,
            "think_time_seconds": self.think,
            "environment": self.environment or "not stated",
            "production": self.production,
            "flows": [
                {
                    "id": f"FLW-{number:03}",
                    "name": flow.name,
                    "method": flow.method or "not_stated",
                    "path": flow.path,
                    "share_percent": flow.share,
                    "evidence": flow.evidence,
                }
                for number, flow in enumerate(self.flows, 1)
            ],
        }


def read_profile(material: Material) -> Profile:
    """Return the profile; the first statement of a quantity counts."""
    text = material.everything
    profile = Profile(
        users=_whole(_USERS, text),
        rate=_number(_rate_sentence(material)),
        ramp=_duration(_RAMP, text),
        steady=_duration(_STEADY, text),
        think=float(found.group(1)) if (found := _THINK.search(text)) else None,
        spike=_whole(_SPIKE, text),
        ceiling=_whole(_CEILING, text),
    )
    named = _NAMED_ENVIRONMENT.search(text)
    environment = _ENVIRONMENT.search(named.group(1) if named else text)
    profile.environment = environment.group(1).lower() if environment else None
    profile.flows = _flows(material)[:MAX_FLOWS]
    return profile


def _rate_sentence(material: Material) -> re.Match[str] | None:
    """Find the arrival rate; what another system allows is a limit, not a rate."""
    for sentence in read_sentences(material.documents):
        if not re.search(r"\ballows?\b|\blimit", sentence.text) and (found := _RATE.search(sentence.text)):
            return found
    return None


def _flows(material: Material) -> list[Flow]:
    flows: list[Flow] = []
    for table in find_tables(material):
        name = table.column("flow", "scenario", "journey", "transaction")
        request, share = (
            table.column("request", "endpoint", "path", "url"),
            table.column("share", "weight", "mix", "%"),
        )
        if name and (request or share):
            flows += [_table_flow(row, line, name, request, share) for row, line in _pairs(table)]
    if not flows:
        for document in material.documents:
            flows += [
                Flow(f"{method.upper()} {path}", method.upper(), path, None, path)
                for path, method, _ in operations(document.text)
            ]
    if not flows:
        seen: dict[str, Flow] = {}
        for found in _REQUEST.finditer(material.everything[:50_000]):
            method, path = found.group(1).upper(), found.group(2).rstrip(".,;)`")
            if path.startswith(("/", "http")):
                seen.setdefault(
                    f"{method} {path}", Flow(f"{method} {path}", method, path, None, found.group())
                )
        flows = list(seen.values())
    return flows


def _table_flow(row: dict[str, str], line: str, name: str, request: str | None, share: str | None) -> Flow:
    called = _REQUEST.search(row.get(request or "", ""))
    part = re.search(r"\d+(?:\.\d+)?", row.get(share or "", ""))
    return Flow(
        row.get(name, "") or "unnamed",
        called.group(1).upper() if called else None,
        called.group(2) if called else None,
        float(part.group()) if part else None,
        line,
    )


def _pairs(table: Table) -> list[tuple[dict[str, str], str]]:
    return list(zip(table.rows, table.lines, strict=True))


def _whole(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    digits = next((part for part in found.groups() if part), "").replace(",", "") if found else ""
    return int(digits) if digits and len(digits) < 10 else None


def _number(found: re.Match[str] | None) -> float | None:
    try:
        return float(found.group(1).replace(",", "").rstrip(".")) if found else None
    except ValueError:
        return None


def _duration(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return min(int(found.group(1)), 10**6) * _SECONDS[found.group(2)[0].lower()] if found else None

"""RFC 9457 problem documents: the one shape in which the product says no.

Every refusal, on every door (REST, streams, sockets, forms), is a `Problem`. Code raises it where the rule
lives; the doors only render it. The table below is the whole vocabulary, so a code always means one status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

CONTENT_TYPE = "application/problem+json"

#: code -> (HTTP status, title)
CODES: dict[str, tuple[int, str]] = {
    "validation_error": (422, "The request is not valid"),
    "not_authenticated": (401, "Sign in first"),
    "second_factor_required": (401, "A second factor is required"),
    "permission_denied": (403, "Not allowed"),
    "not_found": (404, "Not found"),
    "agent_not_found": (404, "Agent not found"),
    "prompt_too_short": (422, "The prompt is too short"),
    "prompt_too_long": (422, "The prompt is too long"),
    "prompt_injection_pattern": (422, "The prompt trips a rule against injection"),
    "prompt_not_utf8": (422, "The prompt is not valid text"),
    "replace_not_acknowledged": (422, "Replacing the prompt was not acknowledged"),
    "replace_mode_requires_enterprise": (403, "Replacing the prompt needs the Enterprise tier"),
    "agent_disabled_for_tenant": (404, "Agent is turned off for this organisation"),
    "version_not_found": (404, "Version not found"),
    "conflict": (409, "Conflict"),
    "precondition_failed": (412, "The resource has changed"),
    "payload_too_large": (413, "Too large"),
    "token_budget_exceeded": (429, "Token budget exceeded"),
    "cost_budget_exceeded": (429, "Cost budget exceeded"),
    "rate_limited": (429, "Too many requests"),
    "agent_circuit_open": (503, "Agent is paused after failures"),
    "model_stopped": (503, "The model is stopped"),
    "guard_unavailable": (503, "The guard is unavailable"),
    "unavailable": (503, "A part of the installation is away"),
    "provider_not_configured": (503, "Model provider is not configured"),
    "agent_timeout": (504, "The agent did not finish in time"),
    "provider_error": (502, "The model provider failed"),
    "output_schema_violation": (502, "The answer does not match the agent's schema"),
    "worker_lost": (503, "The process that executed the run is gone"),
    "run_cancelled": (409, "The run was cancelled"),
    "internal_error": (500, "Something went wrong on our side"),
    "method_not_allowed": (405, "Method not allowed"),
}


class FieldError(TypedDict):
    """One failing field: where, which rule, and what to do in plain words."""

    field: str
    rule: str
    message: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the RFC calls it a problem
    """A refusal with a stable `code`, a sentence for people and, where it helps, the failing fields.

    `headers` go on the response (`Retry-After`); `extra` are additional members of the document
    (`limit`, `used`, `scope`, `run_id`).
    """

    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] | None = None
    extra: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__init__(self.code, self.detail)

    @property
    def status(self) -> int:
        """HTTP status of the code."""
        return CODES[self.code][0]

    def document(self, request_id: str = "") -> dict[str, Any]:
        """Return the JSON object of RFC 9457, section 3."""
        status, title = CODES[self.code]
        body: dict[str, Any] = {
            "type": f"urn:qualisys:problem:{self.code}",
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return {**body, **(self.extra or {})}


def invalid(field: str, rule: str, message: str) -> Problem:
    """Return the `validation_error` for a single field."""
    return Problem("validation_error", message, errors=[{"field": field, "rule": rule, "message": message}])

"""A run as it is shown, logged and stored: three views of one ending, built once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from agents import providers
from agents.providers.base import Usage
from governance.runs.conversation import Context
from governance.runs.request import RunRequest
from qualisys import audit
from qualisys.problems import Problem
from tenants.identity import Identity
from tenants.overrides.merge import Effective

#: How the log words the end of a run.
LOG_STATUS = {
    "completed": "success",
    "truncated": "success",
    "awaiting_approval": "success",
    "cancelled": "cancelled",
    "failed": "error",
}


@dataclass(slots=True)
class End:
    """How a run ended."""

    status: str
    output: str = ""
    structured: Any = None
    problem: Problem | None = None
    usage: Usage = field(default_factory=Usage)
    milliseconds: int = 0
    first_token_ms: int | None = None
    gates: list[dict[str, Any]] = field(default_factory=list)


def begin(
    run_id: UUID, identity: Identity, effective: Effective, request: RunRequest, context: Context
) -> dict[str, Any]:
    """Return what is fixed when a run begins, as JSON values; a reaper can end the run with nothing else."""
    return {
        "run_id": str(run_id),
        "tenant_id": str(context.tenant_id),
        "user_id": str(identity.user_id),
        "agent_id": effective.agent.agent_id,
        "version": str(effective.version.number),
        "version_reason": effective.reason,
        "content_hash": effective.version.content_hash,
        "provider": effective.provider,
        "model": effective.model,
        "demo": providers.is_demo(effective.provider),
        "fallback_from": "",
        "shadow_code": "",
        "cost_micros": 0,
        "customized": effective.customized,
        "config_revision": effective.config_revision,
        "prompt_hash": effective.prompt_hash,
        "conversation_id": str(context.conversation_id),
        "input": request.input,
        "documents": [dict(document) for document in request.documents],
        "parameters": dict(request.parameters),
        "created_at": datetime.now(UTC).isoformat(),
    }


def answered(start: dict[str, Any], provider: str, model: str) -> None:
    """Note which model answers; where it is not the one that was wanted, in whose place."""
    if (start["provider"], start["model"]) != (provider, model):
        start["fallback_from"] = start["fallback_from"] or f"{start['provider']} {start['model']}"
        start["provider"], start["model"], start["demo"] = provider, model, providers.is_demo(provider)


def shown(start: dict[str, Any], end: End | None = None, status: str = "running") -> dict[str, Any]:
    """Return a run in the contract's shape; without an end it is still under way."""
    end = end or End(status)
    return {
        "run_id": start["run_id"],
        "agent_id": start["agent_id"],
        "version": start["version"],
        "version_reason": start["version_reason"],
        "status": end.status,
        "output": end.output,
        "structured_output": end.structured,
        "problem": problem_of(end, start["run_id"]),
        "tokens_used": end.usage.input_tokens + end.usage.output_tokens,
        "usage": {
            "input_tokens": end.usage.input_tokens,
            "output_tokens": end.usage.output_tokens,
            "estimated": end.usage.estimated,
        },
        "execution_time_ms": end.milliseconds,
        "conversation_id": start["conversation_id"],
        "gates": end.gates,
        "created_at": start["created_at"],
        "demo": start["demo"],
        "provider": start["provider"],
        "model": start["model"],
        "fallback_from": start["fallback_from"],
        "cost": start["cost_micros"] / 1_000_000,
        "config_revision": start["config_revision"],
        "prompt_hash": start["prompt_hash"],
        "user_id": start["user_id"],
        "input": start["input"],
        "documents": [document["name"] for document in start["documents"]],
    }


def of_tenant(run: bytes, tenant_id: str) -> bytes:
    """Return a shown run's JSON with its tenant, by which readers of Redis judge whose it is."""
    return b'%s,"tenant_id":"%s"}' % (run[:-1], tenant_id.encode())


def problem_of(end: End, run_id: str) -> dict[str, Any] | None:
    """Return the problem's document, which names the run."""
    return {**end.problem.document(audit.actor().request_id), "run_id": run_id} if end.problem else None


def entry(start: dict[str, Any], end: End, *, refused: bool = False) -> bytes:
    """Return the spool entry: the run's row and its log row in one. `refused`: the guard did not admit it."""
    code = end.problem.code if end.problem else ""
    status = "timeout" if code == "agent_timeout" else LOG_STATUS[end.status]
    if refused:
        status = "circuit_open" if code == "agent_circuit_open" else "refused"
    return orjson.dumps(
        {
            **start,
            "status": end.status,
            "log_status": status,
            "output": end.output,
            "structured_output": end.structured,
            "problem": problem_of(end, start["run_id"]),
            "error_code": code,
            "error_message": end.problem.detail[:1000] if end.problem else "",
            "input_tokens": end.usage.input_tokens,
            "output_tokens": end.usage.output_tokens,
            "usage_estimated": end.usage.estimated,
            "execution_time_ms": end.milliseconds,
            "first_token_ms": end.first_token_ms,
            "finished_at": datetime.now(UTC).isoformat(),
        }
    )


def last_event(start: dict[str, Any], end: End) -> tuple[str, bytes]:
    """Return the event that ends a stream."""
    if end.status == "failed":
        return "run.failed", orjson.dumps({"problem": problem_of(end, start["run_id"])})
    return "run.completed", orjson.dumps(
        {
            "status": end.status,
            "output": end.output,
            "structured_output": end.structured,
            "tokens_used": end.usage.input_tokens + end.usage.output_tokens,
            "execution_time_ms": end.milliseconds,
            "run_id": start["run_id"],
            "conversation_id": start["conversation_id"],
        }
    )

"""A conversation's recent messages: from Redis for an hour, from the tenant's schema for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from agents.guard.admission import conversation_key
from governance.models import Conversation, Run
from governance.runs.output import context_text
from governance.runs.request import RunRequest
from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from tenants.identity import Identity

#: Messages before the present one that the model is shown.
CONTEXT_MESSAGES = 10

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """What a turn continues: whose conversation it is, the version it keeps and the messages so far."""

    conversation_id: UUID
    tenant_id: UUID
    agent_id: str
    user_id: UUID
    version: str
    messages: list[Message] = field(default_factory=list)

    def extended(self, turn: Sequence[Message]) -> bytes:
        """Return the conversation after one more turn, as it is kept in Redis."""
        messages = [*self.messages, *turn][-CONTEXT_MESSAGES:]
        return orjson.dumps(
            {
                "tenant_id": str(self.tenant_id),
                "agent_id": self.agent_id,
                "user_id": str(self.user_id),
                "version": self.version,
                "messages": messages,
            }
        )


async def load(identity: Identity, tenant: tenancy.Tenant, agent_id: str, conversation_id: UUID) -> Context:
    """Return the conversation; raise `not_found` for another's, another agent's or none."""
    raw = await qredis.client().call("GET", conversation_key(conversation_id))
    if raw:
        kept = orjson.loads(raw)
        context = Context(
            conversation_id,
            UUID(kept["tenant_id"]),
            kept["agent_id"],
            UUID(kept["user_id"]),
            kept["version"],
            kept["messages"],
        )
    else:
        context = await in_thread(_from_database, tenant.id, conversation_id)
    if (context.tenant_id, context.agent_id, context.user_id) != (tenant.id, agent_id, identity.user_id):
        raise missing()
    return context


def missing() -> Problem:
    """Return the one answer for conversations that are not there or not the caller's."""
    return Problem("not_found", "There is no such conversation of yours with this agent.")


def turn(text: str, documents: Sequence[Mapping[str, Any]], output: str) -> list[Message]:
    """Return the two messages of a finished run."""
    return [
        {"role": "user", "content": context_text(text, documents)},
        {"role": "assistant", "content": output},
    ]


def messages(system_prompt: str, context: Context, request: RunRequest) -> list[Message]:
    """Return what the model is asked: its instructions, the conversation so far, and the person's message."""
    return [
        {"role": "system", "content": system_prompt},
        *context.messages,
        {"role": "user", "content": context_text(request.input, request.documents)},
    ]


def _from_database(tenant_id: UUID, conversation_id: UUID) -> Context:
    row = Conversation.objects.filter(pk=conversation_id).first()
    if row is None:
        raise missing()
    runs = Run.objects.filter(conversation_id=conversation_id, status=Run.Status.COMPLETED).order_by("-id")
    messages: list[Message] = []
    for run in reversed(runs[: CONTEXT_MESSAGES // 2]):
        messages += turn(run.input, run.documents, run.output)
    return Context(row.pk, tenant_id, row.agent_id, row.user_id, row.version, messages)

"""May this governed change happen now? The seam that four-eyes policies answer.

Services ask before they write; `settings.CHANGE_POLICY` names the function that answers, as an authentication
backend is named. Until a policy says otherwise every permitted change may happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

ChangeKind = Literal[
    "agent.register", "agent.update", "version.create", "version.rollout", "key.scopes", "override"
]


@dataclass(frozen=True, slots=True)
class Change:
    """What someone wants to change: `subject` is an agent id or key, `content` what would hold afterwards."""

    kind: ChangeKind
    subject: str
    content: Mapping[str, Any]
    tenant_id: UUID | None = None


def ask(change: Change) -> None:
    """Return if `change` may happen now; raise the policy's Problem (`approval_required`) if it must wait."""
    _policy()(change)


@cache
def _policy() -> Callable[[Change], None]:
    answerer: Callable[[Change], None] = import_string(settings.CHANGE_POLICY)
    return answerer


def allow(change: Change) -> None:
    """Answer for an installation without change policies."""

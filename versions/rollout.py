"""Which version a tenant gets: pin, then rollout bucket, then stable. Pure, so it can be proved.

A tenant's bucket for a version is SHA-256 over agent, version and tenant, modulo 10,000. Growing a rollout only
adds tenants; a version set back to 0 and up again picks the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from versions.semver import SemVer

BUCKETS = 10_000

Reason = Literal["pin", "rollout", "stable"]


@dataclass(frozen=True, slots=True)
class Version:
    """A version as plain values."""

    agent_id: str
    number: SemVer
    system_prompt: str
    output_schema: dict[str, Any] = field(hash=False)
    content_hash: str
    status: str
    rollout_percentage: int


def bucket(agent_id: str, version: str, tenant_id: UUID) -> int:
    """Return the tenant's bucket, 0 to 9,999, for one version of one agent."""
    digest = sha256(f"{agent_id}\n{version}\n{tenant_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def covers(version: Version, tenant_id: UUID) -> bool:
    """Tell whether the version's rollout reaches the tenant."""
    share = version.rollout_percentage * BUCKETS // 100
    return bucket(version.agent_id, str(version.number), tenant_id) < share


def resolve(
    versions: Sequence[Version], tenant_id: UUID, pinned: str | None = None
) -> tuple[Version, Reason] | None:
    """Return the tenant's version and why; None where nothing is usable.

    `versions` are newest first. A pin holds unless retired. Then the newest active version whose rollout covers
    the tenant; a version at 100 % covers everyone and is the stable one.
    """
    if pinned is not None:
        for version in versions:
            if str(version.number) == pinned and version.status != "retired":
                return version, "pin"
    for version in versions:
        if version.status != "active":
            continue
        if version.rollout_percentage >= 100:
            return version, "stable"
        if covers(version, tenant_id):
            return version, "rollout"
    return None


def stable(versions: Iterable[Version]) -> Version | None:
    """Return the newest fully rolled out active version: what the agent's `version` field says."""
    return next((v for v in versions if v.status == "active" and v.rollout_percentage >= 100), None)

"""Versions as the run path reads them: newest first, from memory, then Redis, then the database."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from agents.definitions import compile_schema
from agents.registry import TTL
from qualisys import cache, tenancy
from qualisys.cache import Cached
from versions import semver
from versions.models import AgentVersion
from versions.rollout import Version


def from_model(row: AgentVersion) -> Version:
    """Return a row as values."""
    return Version(
        agent_id=row.agent_id,
        number=semver.parse(row.version),
        system_prompt=row.system_prompt,
        output_schema=row.output_schema,
        content_hash=row.content_hash,
        status=row.status,
        rollout_percentage=row.rollout_percentage,
    )


def load(agent_id: str) -> tuple[Version, ...]:
    """Return every version of an agent from the database, newest first."""
    with tenancy.use(tenancy.platform("read the registry")):
        rows = [from_model(row) for row in AgentVersion.objects.filter(agent__agent_id=agent_id)]
    return tuple(sorted(rows, key=lambda version: version.number, reverse=True))


def load_all() -> dict[str, tuple[Version, ...]]:
    """Return the versions of every agent from the database, newest first, in one query."""
    with tenancy.use(tenancy.platform("read the registry")):
        rows = [from_model(row) for row in AgentVersion.objects.all()]
    found: dict[str, list[Version]] = {}
    for version in sorted(rows, key=lambda version: version.number, reverse=True):
        found.setdefault(version.agent_id, []).append(version)
    return {agent_id: tuple(each) for agent_id, each in found.items()}


def _dump(versions: tuple[Version, ...]) -> list[dict[str, Any]]:
    return [
        {
            "agent_id": v.agent_id,
            "number": list(v.number),
            "system_prompt": v.system_prompt,
            "output_schema": v.output_schema,
            "content_hash": v.content_hash,
            "status": v.status,
            "rollout_percentage": v.rollout_percentage,
        }
        for v in versions
    ]


def _parse(values: list[dict[str, Any]]) -> tuple[Version, ...]:
    return tuple(Version(**{**value, "number": semver.SemVer(*value["number"])}) for value in values)


_versions: Cached[str, tuple[Version, ...]] = Cached(
    load,
    topics=lambda _: (cache.AGENTS,),
    redis_key=lambda agent_id: f"agent_versions:{agent_id}",
    ttl=TTL,
    dump=_dump,
    parse=_parse,
)


async def of(agent_id: str) -> tuple[Version, ...]:
    """Return every version of an agent, newest first."""
    return await _versions.get(agent_id)


@lru_cache(maxsize=512)
def _compiled(schema: bytes) -> jsonschema_rs.Validator:
    return compile_schema(orjson.loads(schema))


def validator(version: Version) -> jsonschema_rs.Validator:
    """Return the compiled validator of a version's output schema."""
    return _compiled(orjson.dumps(version.output_schema, option=orjson.OPT_SORT_KEYS))

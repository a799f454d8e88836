"""Seeding the built-in agents: a definition and its version 1.0.0 each, once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from agents import builtin, definitions
from versions.services import content_hash


def seed(agent_model: Any, version_model: Any) -> int:
    """Create the built-in agents that are missing and return how many; what exists is left as it is."""
    created = 0
    for agent in builtin.load():
        values = asdict(agent)
        told = {name: values.pop(name) for name in ("system_prompt", "output_schema")}
        fields = definitions.parse(values).model_dump(mode="json")
        prompt = definitions.parse_prompt(told)
        row, new = agent_model.objects.get_or_create(agent_id=agent.agent_id, defaults=fields)
        version_model.objects.get_or_create(
            agent_id=row.agent_id,
            version="1.0.0",
            defaults={
                "system_prompt": prompt.system_prompt,
                "output_schema": prompt.output_schema,
                "content_hash": content_hash(prompt),
                "changelog": "First version.",
                "rollout_percentage": 100,
                "author": "system:migrate",
            },
        )
        created += new
    return created

"""Which prompt: immutable versions of an agent and their rollout."""

from __future__ import annotations

import uuid

from django.db import models


class VersionStatus(models.TextChoices):
    """Life of a version: retired ones serve nobody, deprecated ones only tenants pinned to them."""

    ACTIVE = "active", "Active"
    DEPRECATED = "deprecated", "Deprecated"
    RETIRED = "retired", "Retired"


class AgentVersion(models.Model):
    """One version of an agent: what the model is told and what it must answer. Never deleted.

    Content (prompt, schema, number) is immutable; a trigger refuses to change it. Only status, rollout and
    retirement move.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(
        "agents.AgentDefinition", to_field="agent_id", on_delete=models.PROTECT, related_name="versions"
    )
    version = models.CharField(max_length=20)
    system_prompt = models.TextField()
    output_schema = models.JSONField(default=dict, blank=True)
    changelog = models.TextField()
    content_hash = models.CharField(max_length=64, editable=False)
    status = models.CharField(max_length=20, choices=VersionStatus.choices, default=VersionStatus.ACTIVE)
    rollout_percentage = models.PositiveSmallIntegerField(default=100)
    author_id = models.UUIDField(null=True, editable=False)
    author = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "agent_versions"
        ordering = ["agent_id", "-created_at"]
        verbose_name = "version"
        constraints = [
            models.UniqueConstraint(fields=["agent", "version"], name="agent_versions_unique"),
            models.CheckConstraint(
                condition=models.Q(rollout_percentage__gte=0, rollout_percentage__lte=100),
                name="agent_versions_rollout",
            ),
        ]
        indexes = [models.Index(fields=["agent", "status"], name="agent_versions_agent_status")]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.version}"

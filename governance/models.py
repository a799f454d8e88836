"""What a tenant produces, in the tenant's own schema: runs and the conversations they belong to."""

from __future__ import annotations

import uuid

from django.db import models


class Conversation(models.Model):
    """Turns with one agent; it keeps the version it started with until that is retired."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent_id = models.CharField(max_length=100)
    version = models.CharField(max_length=20)
    user_id = models.UUIDField()
    title = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title or str(self.pk)


class Run(models.Model):
    """One governed run. While it is under way Redis knows more; this row is what remains."""

    class Status(models.TextChoices):
        """Where a run stands."""

        QUEUED = "queued"
        RUNNING = "running"
        AWAITING_APPROVAL = "awaiting_approval"
        COMPLETED = "completed"
        TRUNCATED = "truncated"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent_id = models.CharField(max_length=100)
    version = models.CharField(max_length=20)
    version_reason = models.CharField(max_length=10)
    content_hash = models.CharField(max_length=64)
    conversation_id = models.UUIDField()
    user_id = models.UUIDField()
    status = models.CharField(max_length=20, choices=Status.choices)
    input = models.TextField()
    documents = models.JSONField(default=list)
    parameters = models.JSONField(default=dict)
    output = models.TextField(blank=True)
    structured_output = models.JSONField(null=True)
    problem = models.JSONField(null=True)
    provider = models.CharField(max_length=50)
    model = models.CharField(max_length=100)
    #: With these two, version and override say exactly what the model was told: both are kept for good.
    config_revision = models.PositiveIntegerField(default=0)
    prompt_hash = models.CharField(max_length=64, blank=True)
    demo = models.BooleanField(default=False)
    input_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    usage_estimated = models.BooleanField(default=False)
    #: Millionths of a US dollar.
    cost_micros = models.BigIntegerField(default=0, db_default=0)
    #: "provider model" that should have answered, where another one did.
    fallback_from = models.CharField(max_length=151, blank=True, default="", db_default="")
    execution_time_ms = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent_id", "-id"], name="run_by_agent"),
            models.Index(fields=["conversation_id", "id"], name="run_by_conversation"),
            models.Index(fields=["user_id", "-id"], name="run_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.version} {self.status}"

"""What can run: agent definitions, and the log of what ran."""

from __future__ import annotations

import uuid

from django.db import models


class AgentType(models.TextChoices):
    """Where an agent comes from."""

    BUILTIN = "builtin", "Built-in"
    CUSTOM = "custom", "Custom"
    MARKETPLACE = "marketplace", "Marketplace"


class AgentPhase(models.TextChoices):
    """The delivery phase an agent belongs to."""

    MVP = "mvp", "MVP"
    POST_MVP = "post_mvp", "Post-MVP"
    CUSTOM = "custom", "Custom"


class AgentDefinition(models.Model):
    """One agent as data. Its prompt and output schema live in its versions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent_id = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=20, choices=AgentType.choices, default=AgentType.CUSTOM)
    phase = models.CharField(max_length=20, choices=AgentPhase.choices, default=AgentPhase.CUSTOM)
    llm_provider = models.CharField(max_length=50, default="openai")
    llm_model = models.CharField(max_length=100, default="gpt-4o")
    max_tokens_per_invocation = models.PositiveIntegerField(default=10_000)
    fallbacks = models.JSONField(
        default=list, blank=True, help_text="Provider and model, in order, for when the agent's own is away."
    )
    timeout_seconds = models.PositiveIntegerField(default=120)
    input_types = models.JSONField(default=list, blank=True)
    required_roles = models.JSONField(default=list)
    access = models.JSONField(default=dict, blank=True, help_text="Role to full, run, approve or read.")
    approval_gates = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True)
    icon = models.CharField(max_length=100, default="default-agent")
    enabled = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict, blank=True)
    first_execution_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_definitions"
        ordering = ["name"]
        verbose_name = "agent"
        permissions = [("run_agentdefinition", "Can run agent")]

    def __str__(self) -> str:
        return self.name


class ModelOffer(models.Model):
    """A model that tenants may choose; while a provider has none, they may choose any of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=50)
    model = models.CharField(max_length=100)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["provider", "model"]
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="modeloffer_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}"


class ModelPrice(models.Model):
    """What a model costs, in US dollars per million tokens, and the most it can answer with, in tokens."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=50)
    model = models.CharField(max_length=100)
    input_price = models.DecimalField(max_digits=10, decimal_places=4)
    output_price = models.DecimalField(max_digits=10, decimal_places=4)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    source = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_model_prices"
        ordering = ["provider", "model"]
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="modelprice_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}"


class ModelStop(models.Model):
    """A provider, or one of its models (`model` empty: all of them), that was stopped by hand."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=50)
    model = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    author_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "agent_model_stops"
        ordering = ["provider", "model"]
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="modelstop_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}".strip()


class RunStatus(models.TextChoices):
    """How an execution ended, in the log's words."""

    SUCCESS = "success", "Success"
    ERROR = "error", "Error"
    TIMEOUT = "timeout", "Timeout"
    CIRCUIT_OPEN = "circuit_open", "Circuit open"
    REFUSED = "refused", "Refused"
    CANCELLED = "cancelled", "Cancelled"


class ExecutionLog(models.Model):
    """One execution: which agent, version and tenant, what it cost and how it ended.

    Partitioned by month (`agents.partitions`) and isolated by tenant; written by the spool writer only.
    """

    pk = models.CompositePrimaryKey("id", "created_at")
    id = models.UUIDField()
    agent_id = models.CharField(max_length=100)
    tenant_id = models.UUIDField()
    user_id = models.UUIDField()
    version = models.CharField(max_length=20)
    version_reason = models.CharField(max_length=10)
    content_hash = models.CharField(max_length=64)
    provider = models.CharField(max_length=50)
    model = models.CharField(max_length=100)
    tokens_used = models.IntegerField()
    input_tokens = models.IntegerField()
    output_tokens = models.IntegerField()
    usage_estimated = models.BooleanField()
    execution_time_ms = models.IntegerField()
    first_token_ms = models.IntegerField(null=True)
    status = models.CharField(max_length=20, choices=RunStatus.choices)
    error_code = models.CharField(max_length=50)
    error_message = models.TextField()
    customized = models.BooleanField()
    demo = models.BooleanField()
    #: Millionths of a US dollar.
    cost_micros = models.BigIntegerField()
    #: "provider model" that should have answered, where another one did.
    fallback_from = models.CharField(max_length=151)
    #: The refusal that the guard, in shadow, would have given.
    shadow_code = models.CharField(max_length=50)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "agent_execution_log"
        managed = False
        ordering = ["-created_at"]
        verbose_name = "execution"
        verbose_name_plural = "execution log"

    def __str__(self) -> str:
        return f"{self.agent_id} {self.status} {self.created_at:%Y-%m-%d %H:%M}"


from agents.guard.models import GuardEvent as GuardEvent  # noqa: E402
from agents.guard.models import UsageDay as UsageDay  # noqa: E402
from agents.limits.models import Limits as Limits  # noqa: E402

"""Rows of the overrides: what holds now, and every state there has been."""

from __future__ import annotations

import uuid

from django.db import models


class PromptMode(models.TextChoices):
    """What a tenant's prompt does to the agent's own."""

    APPEND = "append", "Append"
    PREPEND = "prepend", "Prepend"
    REPLACE = "replace", "Replace"


class FallbackConsent(models.TextChoices):
    """Which other models may answer when the agent's own is away."""

    NONE = "none", "None"
    SAME_PROVIDER = "same_provider", "Of the same provider"
    ANY = "any", "Any"


class TenantAgentConfig(models.Model):
    """A tenant's override of one agent; no row means the agent as the platform ships it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")
    agent = models.ForeignKey(
        "agents.AgentDefinition", to_field="agent_id", on_delete=models.PROTECT, related_name="+"
    )
    enabled = models.BooleanField(default=True)
    custom_prompt = models.TextField(null=True, blank=True)
    prompt_override_mode = models.CharField(
        max_length=20, choices=PromptMode.choices, default=PromptMode.APPEND
    )
    acknowledge_replace = models.BooleanField(default=False)
    custom_output_template = models.JSONField(null=True, blank=True)
    approval_workflow_override = models.JSONField(null=True, blank=True)
    max_tokens_override = models.PositiveIntegerField(null=True, blank=True)
    llm_provider_override = models.CharField(max_length=50, null=True, blank=True)
    llm_model_override = models.CharField(max_length=100, null=True, blank=True)
    fallbacks = models.CharField(
        max_length=20, choices=FallbackConsent.choices, default=FallbackConsent.SAME_PROVIDER
    )
    pinned_version = models.CharField(max_length=20, null=True, blank=True)
    custom_tags = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    #: The version the wishes were written for, and its content: a change of it is worth a look.
    base_version = models.CharField(max_length=20)
    base_hash = models.CharField(max_length=64)
    revision = models.PositiveIntegerField()
    author_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "tenant_agent_configs"
        verbose_name = "override"
        permissions = [("view_tenantprompt", "Can read a tenant's prompt for support")]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "agent"], name="tenant_agent_configs_unique")
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} for {self.tenant_id}"


class TenantAgentConfigRevision(models.Model):
    """One state of an override, kept for good; an empty `config` is the return to the platform's agent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")
    agent = models.ForeignKey(
        "agents.AgentDefinition", to_field="agent_id", on_delete=models.PROTECT, related_name="+"
    )
    number = models.PositiveIntegerField()
    config = models.JSONField(null=True)
    base_version = models.CharField(max_length=20)
    author_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "tenant_agent_config_revisions"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "agent", "number"], name="tenant_agent_config_revisions_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} revision {self.number}"

"""Rows of limits. An empty number says nothing: a wider row, or the default, answers instead."""

from __future__ import annotations

import uuid

from django.db import models


class Limits(models.Model):
    """What one scope may use.

    Without agent and tenant: every tenant. With an agent: every tenant's use of it. With a tenant: that tenant.
    With both: that tenant's use of that agent. `by_tenant` marks a tenant's own row, which only tightens.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(
        "agents.AgentDefinition",
        to_field="agent_id",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
    )
    tenant_id = models.UUIDField(null=True, blank=True)
    by_tenant = models.BooleanField(default=False)
    daily_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    monthly_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    daily_cost = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    monthly_cost = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    runs_per_minute = models.PositiveIntegerField(null=True, blank=True)
    concurrent_runs = models.PositiveIntegerField(null=True, blank=True)
    first_token_seconds = models.PositiveIntegerField(null=True, blank=True)
    gap_seconds = models.PositiveIntegerField(null=True, blank=True)
    breaker_failures = models.PositiveIntegerField(null=True, blank=True)
    breaker_window_seconds = models.PositiveIntegerField(null=True, blank=True)
    breaker_share = models.FloatField(null=True, blank=True)
    breaker_cooldown_seconds = models.PositiveIntegerField(null=True, blank=True)
    #: Percent of tenants whose runs the guard refuses; for the others it decides and records only.
    guard_percentage = models.PositiveIntegerField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=1)
    author_id = models.UUIDField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_limits"
        verbose_name_plural = "limits"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "agent", "by_tenant"], name="agent_limits_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        whose = f"tenant {self.tenant_id}" if self.tenant_id else "every tenant"
        return f"{self.agent_id or 'all agents'}, {whose}"

"""What the guard leaves in PostgreSQL: the ledger its counters are seeded from, and what happened to circuits."""

from __future__ import annotations

from django.db import models


class UsageDay(models.Model):
    """The ledger: what one agent used for one tenant on one day (UTC). Written with the execution log, only."""

    pk = models.CompositePrimaryKey("tenant_id", "agent_id", "day")
    tenant_id = models.UUIDField()
    agent_id = models.CharField(max_length=100)
    day = models.DateField()
    runs = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    #: Millionths of a US dollar.
    cost_micros = models.BigIntegerField()

    class Meta:
        db_table = "agent_usage_days"
        managed = False

    def __str__(self) -> str:
        return f"{self.agent_id} {self.day}"


class GuardEvent(models.Model):
    """Something the guard did by itself or was told to: a circuit changed its state, a budget ran low."""

    class Kind(models.TextChoices):
        """What happened."""

        OPENED = "circuit.opened", "Circuit opened"
        PROBING = "circuit.half_open", "Circuit half-open"
        CLOSED = "circuit.closed", "Circuit closed"
        RESET = "circuit.reset", "Circuit reset by hand"
        BUDGET_80 = "budget.80", "80 % of a budget used"
        BUDGET_90 = "budget.90", "90 % of a budget used"
        BUDGET_SPENT = "budget.exhausted", "Budget used up"
        DRIFT = "budget.drift", "Counter and ledger disagreed"

    #: Position in the guard's stream, so that an event that is read twice is stored once.
    id = models.CharField(primary_key=True, max_length=50)
    at = models.DateTimeField()
    kind = models.CharField(max_length=30, choices=Kind.choices)
    agent_id = models.CharField(max_length=100, blank=True)
    tenant_id = models.UUIDField(null=True)
    provider = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=100, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        db_table = "agent_guard_events"
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["tenant_id", "-at"], name="guard_event_by_tenant"),
            models.Index(fields=["agent_id", "-at"], name="guard_event_by_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.agent_id} {self.at:%Y-%m-%d %H:%M}"

"""The audit trail as it can be read. The tables belong to the ground floor; nothing here writes them."""

from __future__ import annotations

from django.db import models


class AuditEvent(models.Model):
    """One link of a chain: what happened, by whom, and the hash over it and all before it."""

    pk = models.CompositePrimaryKey("tenant_id", "seq")
    tenant_id = models.UUIDField()
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.TextField()
    action = models.TextField()
    object_type = models.TextField()
    object_id = models.TextField()
    body = models.TextField()
    hash = models.BinaryField()

    class Meta:
        db_table = "audit_event"
        managed = False
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"#{self.seq} {self.action}"

"""The outbox: what a lower floor has to tell an upper one, written with the change itself."""

from __future__ import annotations

from django.db import models


class OutboxEvent(models.Model):
    """An event that waits to be relayed; gone once every handler has seen it."""

    id = models.BigAutoField(primary_key=True)
    topic = models.CharField(max_length=100)
    tenant_id = models.UUIDField(null=True)
    payload = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.topic} #{self.pk}"

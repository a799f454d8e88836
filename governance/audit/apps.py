from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Reads the audit trail; in the public schema only."""

    name = "governance.audit"
    label = "audit"

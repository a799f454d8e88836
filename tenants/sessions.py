"""Browser sessions as rows: bound to a tenant, seen only from its host, ended by deleting them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from qualisys import tenancy


class SessionStore(DatabaseStore):
    """Writes the person and the tenant beside the session's data."""

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the row's model."""
        from tenants.models import Session

        return Session

    def create_model_instance(self, data: Any) -> Any:
        """Return the row for `data`, bound to the tenant of the context."""
        row = super().create_model_instance(data)
        context = tenancy.require()
        row.user_id = data.get(SESSION_KEY)
        row.tenant_id = context.id if isinstance(context, tenancy.Tenant) else None
        return row


def read_session(session_key: str, context: tenancy.Context) -> UUID | None:
    """Return the signed-in person of a live session of this tenant, or None."""
    from tenants.models import Session

    if not session_key.isalnum():
        return None
    tenant_id = context.id if isinstance(context, tenancy.Tenant) else None
    with tenancy.use(context):
        row = Session.objects.filter(
            session_key=session_key, tenant_id=tenant_id, expire_date__gt=timezone.now()
        ).first()
    return row.user_id if row else None

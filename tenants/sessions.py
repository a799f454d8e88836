"""Browser sessions as rows: bound to a tenant, seen only from its host, ended by deleting them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.utils import timezone

from qualisys import cache, tenancy
from qualisys.events import emit

#: Where a session's data says how, from where and with what it began: columns of its row.
ORIGIN = "_origin"


class SessionStore(DatabaseStore):
    """Writes the person and the tenant beside the session's data."""

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the row's model."""
        from tenants.models import Session

        return Session

    def create_model_instance(self, data: Any) -> Any:
        """Return the row for `data`, bound to the tenant of the context."""
        row: Any = super().create_model_instance(data)
        context = tenancy.require()
        row.user_id = data.get(SESSION_KEY)
        row.tenant_id = _tenant_id(context)
        origin = data.get(ORIGIN, {})
        row.address, row.user_agent = origin.get("address", ""), origin.get("user_agent", "")
        row.method = origin.get("method", "")
        row.created_at = datetime.fromisoformat(origin["began"]) if origin else None
        row.last_seen_at = timezone.now()
        return row

    def _get_session_from_db(self) -> Any:
        """Return the row only where it began: the platform may read every row, a tenant's would open its console."""
        row = super()._get_session_from_db()  # type: ignore[misc]
        if row is not None and row.tenant_id != _tenant_id(tenancy.require()):
            self._session_key = None
            return None
        return row

    def delete(self, session_key: str | None = None) -> None:
        """End the session; every process refuses it within a second."""
        context = tenancy.require()
        topic = str(context.id) if isinstance(context, tenancy.Tenant) else cache.PLATFORM
        with transaction.atomic():
            super().delete(session_key)
            emit("cache.stale", {"topic": topic}, tenant_id=_tenant_id(context))
            transaction.on_commit(lambda: cache.bump_quietly(topic))


def _tenant_id(context: tenancy.Context) -> UUID | None:
    return context.id if isinstance(context, tenancy.Tenant) else None

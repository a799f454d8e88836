"""The PostgreSQL backend that follows the tenancy context instead of the connection.

At every cursor the session is brought in line with the context: search path, tenant id and platform reason for
row-level security, actor for the audit triggers. Nothing is sent while they agree. PostgreSQL undoes a SET when
the transaction or savepoint that made it rolls back, so a rollback forgets what was applied.
"""

from __future__ import annotations

from typing import Any

from django_tenants.postgresql_backend import base
from psycopg.pq import TransactionStatus

from qualisys import audit, tenancy

_APPLY = """SELECT set_config('search_path', %s, false), set_config('app.tenant_id', %s, false),
 set_config('app.platform', %s, false), set_config('app.actor', %s, false),
 set_config('app.request_id', %s, false), set_config('app.reason', %s, false)"""

State = tuple[str, str, str, str, str, str]


def session_state(include_public: bool = True) -> State:
    """Return the session settings of the current context; raise NoTenantSelected where there is none."""
    context = tenancy.require()
    who = audit.actor()
    path = f'"{context.schema}"'
    if include_public and context.schema != tenancy.PUBLIC:
        path += ', "public"'
    if isinstance(context, tenancy.Tenant):
        return path, str(context.id), "", who.id, who.request_id, who.reason
    return path, "", context.reason, who.id, who.request_id, who.reason


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    """Applies the tenancy context to the session, failing closed without one."""

    _ready = False
    _setting_search_path: bool
    schema_name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._applied: State | None = None
        self._ready = True

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """Let django-tenants' own commands switch schemas; only the platform may."""
        super().set_tenant(tenant, include_public)
        if self._ready:
            tenancy.enter_schema(tenant.schema_name)

    def get_new_connection(self, conn_params: Any) -> Any:
        self._applied = None
        return super().get_new_connection(conn_params)

    def close(self) -> None:
        self._applied = None
        super().close()

    def rollback(self) -> None:
        self._applied = None
        super().rollback()

    def savepoint_rollback(self, sid: str) -> None:
        try:
            super().savepoint_rollback(sid)
        finally:
            self._applied = None

    def _handle_search_path(self, cursor: Any = None) -> None:
        if self._setting_search_path:
            return
        context = tenancy.require()
        if context.schema != self.schema_name:
            self.schema_name = context.schema
            self.include_public_schema = True
        wanted = session_state(self.include_public_schema)
        if wanted == self._applied or self._in_failed_transaction():
            return
        self._setting_search_path = True
        try:
            if cursor is None:
                with self.connection.cursor() as own:
                    own.execute(_APPLY, wanted)
            else:
                cursor.execute(_APPLY, wanted)
            self._applied = wanted
        finally:
            self._setting_search_path = False

    def _in_failed_transaction(self) -> bool:
        # Only ROLLBACK is possible there, and it needs a cursor; anything else fails by itself.
        status: TransactionStatus = self.connection.info.transaction_status
        return status == TransactionStatus.INERROR

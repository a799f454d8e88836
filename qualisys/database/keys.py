"""Cache keys that follow the tenancy context, as queries do."""

from __future__ import annotations

from qualisys import tenancy


def tenant_key(key: str, prefix: str, version: int) -> str:
    """Return Django's cache key within the current schema; raise NoTenantSelected outside any."""
    return f"{tenancy.require().schema}:{prefix}:{version}:{key}"

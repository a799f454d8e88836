"""When keys and sessions were last used: noted in memory on the way, written once a minute beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic, time

from django.db import connections

from qualisys import tenancy
from qualisys.database.threads import in_thread
from tenants.identity import Identity

#: Seconds between two writes of a process.
EVERY = 60.0

Use = tuple[str, str]
_used: dict[str, dict[Use, float]] = {"key": {}, "session": {}}
_written = 0.0

_WRITE = {
    "key": """UPDATE tenants_apikey k SET last_used_at = s.at
        FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS s(tenant, name, at)
        WHERE k.prefix = s.name AND coalesce(k.tenant_id::text, '') = s.tenant
          AND (k.last_used_at IS NULL OR k.last_used_at < s.at)""",
    "session": """UPDATE tenants_session k SET last_seen_at = s.at
        FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS s(tenant, name, at)
        WHERE k.session_key = s.name AND coalesce(k.tenant_id::text, '') = s.tenant
          AND (k.last_seen_at IS NULL OR k.last_seen_at < s.at)""",
}


def note(identity: Identity) -> None:
    """Remember that the credential was used now; costs a dictionary entry."""
    found = _used.get(identity.kind)
    if found is not None:
        found[str(identity.tenant.id) if identity.tenant else "", identity.credential] = time()


async def tick() -> None:
    """Write what was used, once a minute."""
    if monotonic() - _written >= EVERY:
        await flush()


async def flush() -> None:
    """Write what was used now, as at the end of a process."""
    global _written
    _written = monotonic()
    for kind, found in _used.items():
        if found:
            taken = dict(found)
            found.clear()
            await in_thread(_write, kind, taken)


def _write(kind: str, uses: dict[Use, float]) -> None:
    tenants, names = zip(*uses, strict=True)
    times = [datetime.fromtimestamp(at, UTC) for at in uses.values()]
    with (
        tenancy.use(tenancy.platform("note what was used")),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute(_WRITE[kind], [list(tenants), list(names), times])

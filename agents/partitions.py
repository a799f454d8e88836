"""Monthly partitions of the execution log: there before they are needed, isolated like the table itself."""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.db import connections, transaction
from psycopg import sql

from qualisys import tenancy

TABLE = "agent_execution_log"
#: Months ahead for which partitions exist.
AHEAD = 3

_STATEMENTS = (
    "CREATE TABLE {month} (LIKE {log} INCLUDING ALL)",
    "WITH moved AS (DELETE FROM {waiting} WHERE created_at >= {first} AND created_at < {end} RETURNING *) "
    "INSERT INTO {month} SELECT * FROM moved",
    "ALTER TABLE {log} ATTACH PARTITION {month} FOR VALUES FROM ({first}) TO ({end})",
    # Evidence is added, never changed: what the owner creates is given to the app role with every right on rows.
    "REVOKE UPDATE, DELETE ON {month} FROM {app}",
)


def month_after(month: date, months: int = 1) -> date:
    """Return the first day of the month `months` later (or earlier)."""
    index = month.year * 12 + month.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def ensure(today: date, ahead: int = AHEAD) -> list[str]:
    """Create the missing partitions from the month of `today` on; return the names of those made now.

    Needs the owner role. Rows that waited in the default partition move into the new one.
    """
    made = []
    with tenancy.use(tenancy.platform("create log partitions")):
        for offset in range(ahead + 1):
            first = month_after(today.replace(day=1), offset)
            name = f"{TABLE}_{first:%Y_%m}"
            with transaction.atomic():
                if _create(name, first, month_after(first)):
                    made.append(name)
    return made


def _create(name: str, first: date, end: date) -> bool:
    names = {
        "month": sql.Identifier(name),
        "log": sql.Identifier(TABLE),
        "waiting": sql.Identifier(f"{TABLE}_default"),
        "app": sql.Identifier(settings.DATABASE_APP_ROLE),
    }
    span = {"first": sql.Literal(first.isoformat()), "end": sql.Literal(end.isoformat())}
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [TABLE])
        cursor.execute("SELECT to_regclass(%s)", [f"public.{name}"])
        if cursor.fetchone()[0] is not None:
            return False
        for statement in _STATEMENTS:
            cursor.execute(sql.SQL(statement).format(**names, **span))
        cursor.execute("SELECT app_isolate(%s::regclass)", [f'public."{name}"'])
    return True

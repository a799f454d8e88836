"""From the spool to PostgreSQL: runs and their log rows in batches, acknowledged after the commit.

An entry is written at least once and stored exactly once: both tables refuse a run id they have. An entry that
cannot be stored is set aside with its error instead of holding up the others.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import redis
from django.db import InterfaceError, OperationalError, connections, transaction
from psycopg import sql
from psycopg_pool import PoolTimeout

from agents.guard.admission import SPOOL
from qualisys import redis as qredis
from qualisys import tenancy

logger = logging.getLogger(__name__)

GROUP = "writers"
DEAD = "spool:dead"
BATCH = 500
#: Milliseconds after which another writer takes over an entry that was read but not acknowledged.
TAKEOVER = 10_000
#: Milliseconds after which a writer that stands still in its transaction loses it; less than TAKEOVER.
FROZEN = "5000"

Row = dict[str, Any]

#: What an entry without these has in their place.
NEW_COLUMNS = {
    "config_revision": 0,
    "prompt_hash": "",
    "cost_micros": 0,
    "fallback_from": "",
    "shadow_code": "",
}
#: The ledger grows by the rows that the log really took; in order, so that two writers never wait crosswise.
LEDGER = """
WITH added AS ({} RETURNING tenant_id, agent_id, (created_at AT TIME ZONE 'UTC')::date AS day, status,
                            input_tokens, output_tokens, cost_micros)
INSERT INTO agent_usage_days AS known
  SELECT tenant_id, agent_id, day, count(*) FILTER (WHERE status NOT IN ('refused', 'circuit_open')),
         sum(input_tokens), sum(output_tokens), sum(cost_micros)
  FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (tenant_id, agent_id, day) DO UPDATE SET
  runs = known.runs + EXCLUDED.runs, input_tokens = known.input_tokens + EXCLUDED.input_tokens,
  output_tokens = known.output_tokens + EXCLUDED.output_tokens, cost_micros = known.cost_micros + EXCLUDED.cost_micros
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a target table: its name, SQL type and where its value is in an entry."""

    name: str
    type: str
    source: str = ""

    def value(self, row: Row) -> Any:
        """Return the entry's value as the driver wants it."""
        found = row.get(self.source or self.name)
        return orjson.dumps(found).decode() if self.type == "jsonb" and found is not None else found


def _columns(*specs: str) -> tuple[Column, ...]:
    return tuple(Column(*spec.split()) for spec in specs)


LOG = _columns(
    "id uuid run_id", "agent_id text", "tenant_id uuid", "user_id uuid", "version text", "version_reason text",
    "content_hash text", "provider text", "model text", "tokens_used int", "input_tokens int", "output_tokens int",
    "usage_estimated bool", "execution_time_ms int", "first_token_ms int", "status text log_status",
    "error_code text", "error_message text", "customized bool", "demo bool", "cost_micros bigint",
    "fallback_from text", "shadow_code text", "created_at timestamptz",
)  # fmt: skip
CONVERSATION = _columns(
    "id uuid conversation_id",
    "agent_id text",
    "version text",
    "user_id uuid",
    "title text",
    "created_at timestamptz",
)
RUN = _columns(
    "id uuid run_id", "agent_id text", "version text", "version_reason text", "content_hash text",
    "conversation_id uuid", "user_id uuid", "status text", "input text", "documents jsonb", "parameters jsonb",
    "output text", "structured_output jsonb", "problem jsonb", "provider text", "model text", "demo bool",
    "config_revision int", "prompt_hash text",
    "input_tokens int", "output_tokens int", "usage_estimated bool", "execution_time_ms int", "cost_micros bigint",
    "fallback_from text", "created_at timestamptz", "finished_at timestamptz",
)  # fmt: skip
#: A queued run has its row already; its end replaces it.
RUN_CONFLICT = "ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{column.name} = EXCLUDED.{column.name}" for column in RUN if column.name not in ("id", "created_at")
)


def drain(consumer: str, block_ms: int = 200) -> int:
    """Write what waits in the spool and return how many entries were stored."""
    client = qredis.sync_client()
    _ensure_group(client)
    entries = _claimed(client, consumer) or _read(client, consumer, block_ms)
    if not entries:
        return 0
    store(entries, client)
    return len(entries)


def store(entries: Sequence[tuple[bytes, bytes]], client: redis.Redis) -> None:
    """Store a batch; where it fails as a whole, entry by entry, setting aside what cannot be stored."""
    try:
        write([orjson.loads(raw) for _, raw in entries])
    except (OperationalError, InterfaceError, PoolTimeout):
        # No database is no fault of the entries: they stay in the spool.
        raise
    except Exception:
        logger.exception("a batch of %d runs failed; trying them one by one", len(entries))
        for key, raw in entries:
            try:
                write([orjson.loads(raw)])
            except (OperationalError, InterfaceError, PoolTimeout):
                raise
            except Exception as error:
                logger.exception("entry %s cannot be stored and is set aside", key.decode())
                client.xadd(DEAD, {"entry": raw, "error": str(error)[:500], "of": key})
    keys = [key for key, _ in entries]
    # Both or none: an entry that is acknowledged and still there would stay for ever.
    done = client.pipeline(transaction=True)
    done.xack(SPOOL, GROUP, *keys)
    done.xdel(SPOOL, *keys)
    done.execute()


def write(rows: Sequence[Row]) -> None:
    """Insert log rows, conversations and runs of many tenants in one transaction."""
    by_tenant: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        row["tokens_used"] = row["input_tokens"] + row["output_tokens"]
        # An entry may be of a process that was older than these columns.
        for name, nothing in NEW_COLUMNS.items():
            row.setdefault(name, nothing)
        row["title"] = row["input"].strip().splitlines()[0][:200] if row["input"].strip() else ""
        by_tenant[row["tenant_id"]].append(row)
    with tenancy.use(tenancy.platform("write the execution log")), transaction.atomic():
        _yield_when_frozen()
        _insert("public", "agent_execution_log", LOG, rows, "ON CONFLICT DO NOTHING", wrapped=LEDGER)
        _first_executions({row["agent_id"] for row in rows})
        schemas = _schemas(list(by_tenant))
        for tenant_id, its in by_tenant.items():
            if (schema := schemas.get(tenant_id)) is None:
                logger.warning("%d runs belong to a deleted tenant; only their log rows are kept", len(its))
                continue
            _insert(schema, "governance_conversation", CONVERSATION, its, "ON CONFLICT (id) DO NOTHING")
            _insert(schema, "governance_run", RUN, its, RUN_CONFLICT)


def _yield_when_frozen() -> None:
    """Let the database end this transaction where its process stands still: whoever takes over waits for it."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [FROZEN])


def _insert(
    schema: str,
    table: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    conflict: str,
    wrapped: str = "{}",
) -> None:
    # The first one of an id counts: a conversation is named after its first turn.
    unique = {row[columns[0].source or columns[0].name]: row for row in reversed(rows)}
    values = [[column.value(row) for row in unique.values()] for column in columns]
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    arrays = sql.SQL(", ").join(sql.SQL(f"%s::{column.type}[]") for column in columns)
    statement = sql.SQL("INSERT INTO {} ({}) SELECT * FROM unnest({}) {}").format(
        sql.Identifier(schema, table), names, arrays, sql.SQL(conflict)
    )
    with connections["default"].cursor() as cursor:
        cursor.execute(sql.SQL(wrapped).format(statement), values)


def _first_executions(agent_ids: set[str]) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "UPDATE agent_definitions SET first_execution_at = now() "
            "WHERE first_execution_at IS NULL AND agent_id = ANY(%s)",
            [sorted(agent_ids)],
        )


def _schemas(tenant_ids: list[str]) -> dict[str, str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT id::text, schema_name FROM tenants_tenant WHERE id = ANY(%s::uuid[])", [tenant_ids]
        )
        return dict(cursor.fetchall())


def _ensure_group(client: redis.Redis) -> None:
    try:
        client.xgroup_create(SPOOL, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def _read(client: redis.Redis, consumer: str, block_ms: int) -> list[tuple[bytes, bytes]]:
    answer = cast(Any, client.xreadgroup(GROUP, consumer, {SPOOL: ">"}, count=BATCH, block=block_ms))
    return [_raw(*item) for _, found in answer for item in found]


def _claimed(client: redis.Redis, consumer: str) -> list[tuple[bytes, bytes]]:
    answer = cast(Any, client.xautoclaim(SPOOL, GROUP, consumer, TAKEOVER, count=BATCH))
    return [_raw(key, fields) for key, fields in answer[1] if fields]


def _raw(key: bytes, fields: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    return key, fields.get(b"entry", b"")

"""Many coroutines, many tenants, few connections: every read is of the tenant that asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connections, transaction

from governance.models import Conversation
from qualisys import tenancy
from qualisys.database.threads import in_thread
from tenants.models import Tenant
from tests.conftest import FULL
from tests.connections import app_role, column

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]

COROUTINES, ITERATIONS = 64, 500 if FULL else 20

#: The conversation that every tenant has under this id, titled with the tenant's schema.
MARKER = uuid4()


class OnPurposeError(Exception):
    """What goes wrong on purpose."""


@pytest.fixture(scope="module")
def marked(tenants: Tenants) -> list[tenancy.Tenant]:
    """Every tenant, with a row of the same key and another content."""
    for tenant in tenants.values():
        with tenancy.use(tenant):
            Conversation.objects.create(
                id=MARKER, agent_id="none", version="1.0.0", user_id=MARKER, title=tenant.schema
            )
    return list(tenants.values())


def seen() -> tuple[str, str, set[str]]:
    """What the current context sees: the row's title, the search path's head and the rows that RLS shows."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
    tenants = set(Tenant.objects.values_list("schema_name", flat=True))
    return Conversation.objects.get(pk=MARKER).title, schema, tenants


def plainly() -> list[Any]:
    return [seen()]


def around_a_savepoint() -> list[Any]:
    """A rollback to a savepoint also undoes what the session was told inside it."""
    found = []
    with transaction.atomic():
        with suppress(IntegrityError), transaction.atomic():
            found.append(seen())
            Conversation.objects.create(id=MARKER, agent_id="x", version="1", user_id=MARKER)
        found.append(seen())
    return [*found, seen()]


def around_an_exception() -> list[Any]:
    found = []
    with suppress(OnPurposeError), transaction.atomic():
        found.append(seen())
        raise OnPurposeError
    return [*found, seen()]


def as_the_platform_between() -> list[Any]:
    """Another context inside one unit of work, as services enter the platform's."""
    before = seen()
    with suppress(OnPurposeError), tenancy.use(tenancy.platform("tests")), transaction.atomic():
        Tenant.objects.count()
        raise OnPurposeError
    return [before, seen()]


WORK: list[Callable[[], list[Any]]] = [
    plainly, around_a_savepoint, around_an_exception, as_the_platform_between,
]  # fmt: skip


async def wrong_reads(tenants: list[tenancy.Tenant], number: int) -> int:
    """Read as one tenant after another and count what was not its own."""
    wrong = 0
    for turn in range(ITERATIONS):
        tenant = tenants[(number + turn) % len(tenants)]
        with tenancy.use(tenant):
            await asyncio.sleep(0)
            found = await in_thread(WORK[(number + turn) % len(WORK)])
        expected = (tenant.schema, tenant.schema, {tenant.schema})
        wrong += sum(each != expected for each in found)
    return wrong


async def test_interleaved_reads__exceptions_and_savepoints__none_is_wrong(
    marked: list[tenancy.Tenant],
) -> None:
    """P02: 64 coroutines over all tenants share 8 threads and their pool."""
    counts = await asyncio.gather(*(wrong_reads(marked, number) for number in range(COROUTINES)))
    assert sum(counts) == 0


async def test_naive_schema_switch__in_a_hop_of_its_own__reads_wrong_rows(
    marked: list[tenancy.Tenant],
) -> None:
    """P02: schema in one thread hop, query in the next, on a connection per thread: this is what goes wrong."""
    own = threading.local()
    hops = ThreadPoolExecutor(8)
    loop = asyncio.get_running_loop()

    def connection() -> Any:
        if not hasattr(own, "connection"):
            own.connection = app_role()
        return own.connection

    def switch(schema: str) -> None:
        connection().execute(f'SET search_path TO "{schema}", public')

    def title() -> str:
        found: str = column(connection(), "SELECT title FROM governance_conversation WHERE id = %s", MARKER)[
            0
        ]
        return found

    async def naive(number: int) -> int:
        wrong = 0
        for turn in range(ITERATIONS):
            schema = marked[(number + turn) % len(marked)].schema
            await loop.run_in_executor(hops, switch, schema)
            with suppress(Exception):
                wrong += await loop.run_in_executor(hops, title) != schema
        return wrong

    wrong = sum(await asyncio.gather(*(naive(number) for number in range(COROUTINES))))
    hops.shutdown()
    assert wrong > COROUTINES * ITERATIONS // 10

"""Nobody has said whose data is meant: an error, never the public schema and never a default."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from threading import Thread
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.cache import cache as django_cache
from django.db import connections, transaction
from django.db.utils import ProgrammingError

from agents.models import AgentDefinition
from governance.models import Conversation, Run
from qualisys import audit, tenancy
from qualisys.celery import TenantTask
from qualisys.database.threads import in_thread
from qualisys.tenancy import NoTenantSelected
from tenants.models import Membership, Tenant
from tests.connections import app_role, column

pytestmark = [pytest.mark.promise, pytest.mark.usefixtures("tenants")]
Tenants = dict[str, tenancy.Tenant]


def _in_a_transaction() -> None:
    with transaction.atomic():
        Run.objects.count()


WITHOUT_CONTEXT: dict[str, Callable[[], Any]] = {
    "a tenant's table": Run.objects.count,
    "a shared table": Membership.objects.count,
    "a table without isolation": AgentDefinition.objects.count,
    "a raw cursor": lambda: connections["default"].cursor().execute("SELECT 1"),
    "a transaction": _in_a_transaction,
    "the cache": lambda: django_cache.get("anything"),
    "the audit trail": lambda: audit.record("x", object_type="x", object_id="x"),
    "the current tenant": tenancy.tenant,
    "a tenant's task": lambda: TenantTask().apply_async(),
    "another schema by name": lambda: tenancy.enter_schema("acme"),
}


@pytest.mark.parametrize("what", WITHOUT_CONTEXT)
def test_no_context__is_refused(what: str) -> None:
    """P03: code that does not say whose data it means gets none."""
    with pytest.raises(NoTenantSelected):
        WITHOUT_CONTEXT[what]()


async def test_no_context__in_a_database_thread__is_refused() -> None:
    """P03: a thread inherits the context of its caller, so without one there is none."""
    with pytest.raises(NoTenantSelected):
        await in_thread(Run.objects.count)


def test_no_context__in_a_thread_started_inside_one__is_refused(tenants: Tenants) -> None:
    """P03: a thread that copies no context has none, whatever its starter was doing."""
    caught: list[BaseException] = []

    def work() -> None:
        try:
            Run.objects.count()
        except NoTenantSelected as refused:
            caught.append(refused)
        finally:
            connections.close_all()

    with tenancy.use(tenants["acme"]):
        thread = Thread(target=contextvars.Context().run, args=(work,))
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_context__once_left__is_refused_on_the_same_connection(tenants: Tenants) -> None:
    """P03: what the session was told before does not linger."""
    with tenancy.use(tenants["acme"]):
        Run.objects.count()
    with pytest.raises(NoTenantSelected):
        Run.objects.count()


@pytest.mark.parametrize("reason", ["", None])
def test_platform__without_a_reason__is_refused(reason: Any) -> None:
    """P03: the platform must say why it acts."""
    with pytest.raises(ValueError, match="why"):
        tenancy.platform(reason)


def test_platform__is_no_tenant() -> None:
    """P03: what needs a tenant does not take the platform for one."""
    with tenancy.use(tenancy.platform("tests")), pytest.raises(NoTenantSelected, match="tests"):
        tenancy.tenant()


def test_tenant__may_not_switch_schema_by_name(tenants: Tenants) -> None:
    """P03: django-tenants' way to another schema is closed to tenants."""
    with tenancy.use(tenants["acme"]), pytest.raises(NoTenantSelected):
        connections["default"].set_schema("globex")  # type: ignore[attr-defined]


def test_tenant_whose_schema_is_gone__neither_reads_nor_writes_public(tenants: Tenants) -> None:
    """P03: a search path that ends in public does not lead a deleted tenant to the platform's own rows."""
    ghost = tenancy.Tenant(uuid4(), "ghost_town", "Ghost Town")
    row = {"agent_id": "x", "version": "1.0.0", "user_id": uuid4()}
    with tenancy.use(tenancy.platform("tests")):
        own = Conversation.objects.create(**row, title="the platform's own")
    with tenancy.use(ghost):
        assert Conversation.objects.count() == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            Conversation.objects.create(**row)
    with tenancy.use(tenancy.platform("tests")):
        assert list(Conversation.objects.all()) == [own]
        own.delete()


def test_raw_session__that_says_nothing__sees_no_row() -> None:
    """P03: the database itself shows nothing to the app role until it is told who asks."""
    with app_role() as connection:
        isolated = column(
            connection, "SELECT relname FROM pg_class WHERE relrowsecurity AND relkind IN ('r', 'p')"
        )
        counts = {}
        for table in isolated:
            try:
                counts[table] = column(connection, f'SELECT count(*) FROM public."{table}"')[0]
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert len(counts) > 10
    assert {table for table, count in counts.items() if count} == set()


def test_platform__with_a_reason__sees_every_tenant(tenants: Tenants) -> None:
    """P03: the platform names itself and then sees what it must, so the refusals above can fail."""
    with tenancy.use(tenancy.platform("tests")):
        assert {"acme", "globex"} <= set(Tenant.objects.values_list("schema_name", flat=True))
    with tenancy.use(tenants["acme"]):
        assert list(Tenant.objects.values_list("schema_name", flat=True)) == ["acme"]

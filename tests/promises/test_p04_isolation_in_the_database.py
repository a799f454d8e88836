"""What the database itself holds against a query that forgot its tenant: the catalogue, asked as the app role."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from qualisys import tenancy
from tests.connections import Row, app_role, as_owner, as_platform, column
from tests.people import key_of, somebody

pytestmark = [pytest.mark.promise, pytest.mark.usefixtures("database")]
Tenants = dict[str, tenancy.Tenant]

#: Tables of the public schema that carry a tenant's id, partitions included.
SHARED = """SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND a.attname = 'tenant_id' AND NOT a.attisdropped
ORDER BY 1"""

#: Unique indexes of shared tables without the tenant's id, and why nothing foreign shows in their errors.
UNIQUE_WITHOUT_TENANT = {
    "agent_execution_log": "run ids are random",
    "agent_guard_events": "positions in the guard's stream, which are times",
    "agent_limits": "the primary key is random; agents are unique within the tenant",
    "audit_pending": "a sequence number the application never sees",
    "qualisys_outboxevent": "a sequence number",
    "tenant_agent_config_revisions": "the primary key is random; numbers are unique within tenant and agent",
    "tenant_agent_configs": "the primary key is random; agents are unique within the tenant",
    "tenants_apikey": "the primary key is random; prefixes are unique within the tenant",
    "tenants_externalidentity": "the primary key is random; subjects are unique within the tenant",
    "tenants_host": "a host name is global by nature and only the platform adds one",
    "tenants_invitation": "the primary key is random; addresses are unique within the tenant",
    "tenants_membership": "the primary key is random; persons are unique within the tenant",
    "tenants_session": "session keys are random",
    "tenants_tokenfamily": "the primary key is random",
}


def shared(connection: psycopg.Connection[Row]) -> list[str]:
    tables = column(connection, SHARED)
    assert len(tables) >= 14, tables
    return tables


def test_app_role__has_no_way_around_isolation() -> None:
    """P04: it owns nothing, is nobody's member, and neither superuser nor exempt from row-level security."""
    with app_role() as connection:
        rights = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
        row = connection.execute(f"SELECT {rights} FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (False,) * 5
        me = "current_user::regrole"
        assert column(connection, f"SELECT relname FROM pg_class WHERE relowner = {me}") == []
        assert column(connection, f"SELECT proname FROM pg_proc WHERE proowner = {me}") == []
        assert column(connection, f"SELECT nspname FROM pg_namespace WHERE nspowner = {me}") == []
        assert column(connection, f"SELECT roleid::regrole FROM pg_auth_members WHERE member = {me}") == []


def test_app_role__may_neither_truncate_nor_create() -> None:
    """P04: in no schema, of no table, not even temporarily."""
    with app_role() as connection:
        tables = "pg_class c WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information)'"
        rights = "TRUNCATE, TRIGGER, REFERENCES, MAINTAIN"
        query = f"SELECT oid::regclass::text FROM {tables} AND has_table_privilege(c.oid, '{rights}')"
        assert column(connection, query) == []
        query = "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE')"
        assert column(connection, query) == []
        assert column(
            connection, "SELECT has_database_privilege(current_database(), 'CREATE, TEMPORARY')"
        ) == [False]


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE tenants_membership",
        "ALTER TABLE tenants_membership DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenants_membership NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tenants_membership DISABLE TRIGGER ALL",
        "DROP POLICY tenant_isolation ON tenants_membership",
        "CREATE POLICY mine ON tenants_membership USING (true)",
        "SET session_replication_role = replica",
        "SET ROLE qualisys_owner",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION app_tenant() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
        "SELECT audit_append(app_tenant(), 'x', 'x', 'x', NULL, NULL, '[]')",
        "SELECT app_isolate('tenants_user')",
    ],
)
def test_app_role__taking_protection_away__refused(statement: str) -> None:
    """P04: what isolates is not the app role's to change."""
    with as_platform() as connection, pytest.raises((errors.InsufficientPrivilege, errors.DuplicateFunction)):
        connection.execute(statement)


def test_row_security__off__is_an_error_not_a_way() -> None:
    """P04: with `row_security = off` a query that policies would filter fails."""
    with app_role(row_security="off") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT count(*) FROM tenants_membership")


def test_shared_tables__with_a_tenant_id__enable_and_force_isolation() -> None:
    """P04: every one of them, partitions too, with a policy that looks at the tenant."""
    with app_role() as connection:
        tables = shared(connection)
        query = (
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relname = ANY(%s)"
        )
        assert set(column(connection, query, tables)) == set(tables)
        looks = "SELECT tablename FROM pg_policies WHERE tablename = ANY(%s) AND qual ~ 'tenant_id = .*app_tenant'"
        assert set(column(connection, looks, tables)) == set(tables)
        assert sum(table.startswith("agent_execution_log_") for table in tables) >= 5


def test_policies__for_the_app_role__all_name_tenant_or_platform() -> None:
    """P04: none is open to everybody."""
    with app_role() as connection:
        query = """SELECT tablename || '.' || policyname FROM pg_policies
                   WHERE ('public' = ANY(roles) OR current_user = ANY(roles))
                     AND coalesce(qual, with_check) !~ 'app_tenant|app_is_platform'"""
        assert column(connection, query) == []


def test_unique_indexes__include_the_tenant() -> None:
    """P04: or an error would tell that somebody else has the name."""
    query = """SELECT DISTINCT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
               WHERE i.indisunique AND c.relname = ANY(%s) AND NOT c.relispartition AND NOT EXISTS (
                 SELECT FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = ANY(i.indkey))"""
    with app_role() as connection:
        assert set(column(connection, query, shared(connection))) == set(UNIQUE_WITHOUT_TENANT)


def test_unique_indexes__without_the_tenant__are_of_random_or_sequential_keys() -> None:
    """P04: an excuse in the list above holds for one index each; a second one would need its own."""
    query = """SELECT c.relname, count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
               WHERE i.indisunique AND c.relname = ANY(%s) AND NOT EXISTS (
                 SELECT FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = ANY(i.indkey))
               GROUP BY 1 HAVING count(*) > 1"""
    with app_role() as connection:
        rows = connection.execute(query, [list(UNIQUE_WITHOUT_TENANT)]).fetchall()
    assert dict(rows) == {"tenants_host": 2}


def test_foreign_keys__between_tenants_tables__include_the_tenant() -> None:
    """P04: a key check runs past row-level security, so it may only look within the tenant."""
    query = """SELECT conrelid::regclass::text || ' -> ' || confrelid::regclass::text FROM pg_constraint k
               WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s) AND confrelid::regclass::text = ANY(%s)
                 AND NOT EXISTS (SELECT FROM pg_attribute a
                   WHERE a.attrelid = k.conrelid AND a.attname = 'tenant_id' AND a.attnum = ANY(k.conkey))"""
    with app_role() as connection:
        tables = shared(connection)
        assert column(connection, query, tables, tables) == []


def test_elevated_functions__are_pinned_and_few() -> None:
    """P04: what runs with the owner's rights names its search path, and the app role may call one of it."""
    query = """SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
               AND NOT coalesce('search_path=public, pg_temp' = ANY(proconfig), false)"""
    callable_ = """SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
                   AND has_function_privilege(oid, 'EXECUTE')"""
    with app_role() as connection:
        assert column(connection, query) == []
        assert column(connection, callable_) == ["audit_record"]


@pytest.fixture(scope="module")
def rows_of_globex(tenants: Tenants) -> None:
    """Rows of the other tenant in the tables that the demo leaves empty."""
    person = somebody(tenants["globex"])
    key_of(tenants["globex"], person.user)
    run = (uuid4(), "x", tenants["globex"].id, person.user.pk)
    with as_platform() as connection:
        connection.execute(
            "INSERT INTO agent_execution_log VALUES (%s, %s, %s, %s, '1', 'pin', '', '', '', 1, 1, 1, false, 1, 1,"
            " 'success', '', '', false, false, now())", run,
        )  # fmt: skip


@pytest.mark.usefixtures("rows_of_globex")
def test_session_of_a_tenant__sees_no_row_of_another(tenants: Tenants) -> None:
    """P04: in every shared table and in each partition by its own name."""
    mine = str(tenants["acme"].id)
    with app_role(app__tenant_id=mine) as connection, as_platform() as platform:
        hidden = 0
        for table in shared(connection):
            if not column(connection, "SELECT has_table_privilege(%s, 'SELECT')", f"public.{table}")[0]:
                continue
            foreign = f'SELECT count(*) FROM public."{table}" WHERE tenant_id IS DISTINCT FROM %s'
            assert column(connection, foreign, mine) == [0], table
            hidden += column(platform, foreign, mine)[0]
    assert hidden > 20, "there was nothing to hide"


def test_session_of_a_tenant__writing_for_another__refused(tenants: Tenants) -> None:
    """P04: neither a new row nor one moved over."""
    mine, theirs = str(tenants["acme"].id), str(tenants["globex"].id)
    with app_role(app__tenant_id=mine) as connection:
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("UPDATE tenants_membership SET tenant_id = %s", [theirs])
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(
                "INSERT INTO qualisys_outboxevent (topic, tenant_id, payload, attempts, created_at)"
                " VALUES ('x', %s, '{}', 0, now())", [theirs],
            )  # fmt: skip
        with pytest.raises(errors.InsufficientPrivilege, match="belongs to the tenant"):
            connection.execute("SELECT audit_record('x', 'x', 'x', %s, NULL, NULL)", [theirs])
        changed = connection.execute(
            "UPDATE tenants_membership SET role = 'owner' WHERE tenant_id = %s", [theirs]
        )
        assert changed.rowcount == 0


def test_people_keys_and_templates__belong_to_the_platform(tenants: Tenants) -> None:
    """P04: a tenant sees its own members, no foreign person, no signing key."""
    with app_role(app__tenant_id=str(tenants["acme"].id)) as connection, as_owner() as owner:
        assert column(connection, "SELECT count(*) FROM tenants_signingkey") == [0]
        people = set(column(connection, "SELECT id FROM tenants_user"))
        members = "SELECT user_id FROM tenants_membership WHERE tenant_id = %s"
        assert people == set(column(owner, members, tenants["acme"].id))
        assert column(connection, "SELECT schema_name FROM tenants_tenant") == ["acme"]

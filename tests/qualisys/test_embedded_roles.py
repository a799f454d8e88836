"""The three database roles, as `roles.sql` makes them: what the app role cannot do counts most."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import errors

from qualisys.embedded import roles, servers
from qualisys.embedded.servers import Servers


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers.start(tmp_path_factory.mktemp("home"), fast=True, valkey=False) as running:
        with psycopg.connect(running.owner_url) as connection:
            connection.execute("CREATE TABLE thing (id bigserial PRIMARY KEY, name text)")
            connection.execute("CREATE SCHEMA acme")
            connection.execute("CREATE TABLE acme.thing (id bigserial PRIMARY KEY, name text)")
            connection.execute("CREATE FUNCTION secret() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        yield running


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TABLE acme.mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "TRUNCATE thing",
        "TRUNCATE acme.thing",
        "DROP TABLE thing",
        "ALTER TABLE thing ADD COLUMN more int",
        "ALTER TABLE thing DISABLE ROW LEVEL SECURITY",
        "SELECT secret()",
        "SELECT setval('thing_id_seq', 1)",
        "SET ROLE qualisys_owner",
        "ALTER ROLE qualisys_app BYPASSRLS",
    ],
)
def test_app_role__beyond_rows__refused(running: Servers, statement: str) -> None:
    with (
        psycopg.connect(running.app_url, autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("statement", ["INSERT INTO thing (name) VALUES ('x')", "CREATE TABLE mine (id int)"])
def test_readonly_role__writing__refused(running: Servers, statement: str) -> None:
    with (
        psycopg.connect(running.readonly_url, autocommit=True) as connection,
        pytest.raises((errors.ReadOnlySqlTransaction, errors.InsufficientPrivilege)),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("statement", ["CREATE ROLE mine", "CREATE DATABASE mine"])
def test_owner_role__beyond_its_database__refused(running: Servers, statement: str) -> None:
    with (
        psycopg.connect(running.owner_url, autocommit=True) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_roles__no_superuser_and_none_around_row_security(running: Servers) -> None:
    rights = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
    query = f"SELECT bool_or({rights}) FROM pg_roles WHERE rolname LIKE 'qualisys_%'"
    with psycopg.connect(running.app_url) as connection:
        assert connection.execute(query).fetchone() == (False,)
        owned = "SELECT count(*) FROM pg_class WHERE relowner = 'qualisys_app'::regrole"
        assert connection.execute(owned).fetchone() == (0,)


@pytest.mark.parametrize("table", ["thing", "acme.thing"])
def test_app_role__rows_of_what_the_owner_creates__reads_and_writes(running: Servers, table: str) -> None:
    with psycopg.connect(running.app_url) as connection:
        connection.execute(f"INSERT INTO {table} (name) VALUES ('x')")
        connection.execute(f"UPDATE {table} SET name = 'y'")
        assert connection.execute(f"SELECT name FROM {table}").fetchall() == [("y",)]
        connection.execute(f"DELETE FROM {table}")
    with psycopg.connect(running.readonly_url) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_script__applied_again__changes_nothing(running: Servers) -> None:
    assert roles.apply(running.admin_url) == []


def test_script__role_that_may_too_much__is_cut_down(running: Servers) -> None:
    with psycopg.connect(running.admin_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE qualisys_app SUPERUSER BYPASSRLS")
        roles.apply(running.admin_url)
        query = "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'qualisys_app'"
        assert connection.execute(query).fetchone() == (False, False)


def test_script__by_an_administrator_who_is_no_superuser__works(
    running: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a managed server: the roles of this installation have other names there, so remove ours first."""
    with psycopg.connect(running.admin_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE qualisys WITH (FORCE)")
        for role in (roles.OWNER, roles.APP, roles.READONLY):
            connection.execute(f"DROP ROLE {role}")
        connection.execute("CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'x'")
    url = roles.database_url(running.admin_url, database="postgres", role="manager", password="x")

    assert roles.main(["--admin-url", url, "--apply"]) == 0

    addresses = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    with psycopg.connect(addresses["DATABASE_OWNER_URL"]) as connection:
        connection.execute("CREATE TABLE thing (id int)")
    with psycopg.connect(addresses["DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO thing VALUES (1)")
    assert urlsplit(addresses["DATABASE_READONLY_URL"]).username == roles.READONLY
    assert roles.main(["--admin-url", url, "--apply"]) == 0
    assert capsys.readouterr().out == ""


def test_command__unreachable_server__one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert roles.main(["--admin-url", "postgresql://a:b@127.0.0.1:1/postgres", "--apply"]) == 1

    output = capsys.readouterr()
    assert output.err.startswith("qualisys: connection failed")
    assert len(output.err.splitlines()) == 1

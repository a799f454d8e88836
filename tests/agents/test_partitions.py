"""Months of the log: named, ahead of time, isolated; rows that waited move in."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.db.utils import ProgrammingError

from agents import partitions
from qualisys import tenancy
from tests.connections import as_platform, column
from tests.portal import ROOT

Tenants = dict[str, tenancy.Tenant]


@pytest.mark.parametrize(
    ("month", "months", "expected"),
    [
        (date(2026, 11, 1), 1, date(2026, 12, 1)), (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 1)), (date(2026, 11, 1), 14, date(2028, 1, 1)),
        (date(2026, 1, 1), 0, date(2026, 1, 1)),
    ],
)  # fmt: skip
def test_month_after__counts_over_years(month: date, months: int, expected: date) -> None:
    assert partitions.month_after(month, months) == expected


def test_ensure__as_the_app_role__refused(tenants: Tenants) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        partitions.ensure(date(2031, 1, 1))


def test_migrate__made_this_month_and_three_more(tenants: Tenants) -> None:
    first = datetime.now(UTC).date().replace(day=1)
    wanted = {f"{partitions.TABLE}_{partitions.month_after(first, n):%Y_%m}" for n in range(4)}
    with as_platform() as connection:
        query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
        assert wanted | {f"{partitions.TABLE}_default"} <= set(column(connection, query, partitions.TABLE))


def test_ensure__again_and_with_rows_that_waited__moves_them_and_isolates(
    tenants: Tenants, owner_env: dict[str, str]
) -> None:
    run = uuid4()
    with as_platform() as connection:
        connection.execute(
            "INSERT INTO agent_execution_log VALUES (%s, 'x', %s, %s, '1', 'pin', '', '', '', 1, 1, 1, false, 1, 1,"
            " 'success', '', '', false, false, '2032-02-29 12:00+00')", [run, tenants["acme"].id, run],
        )  # fmt: skip
        where = "SELECT tableoid::regclass::text FROM agent_execution_log WHERE id = %s"
        assert column(connection, where, run) == ["agent_execution_log_default"]
    script = (
        "import django; django.setup()\nfrom datetime import date\nfrom agents import partitions\n"
        "print(partitions.ensure(date(2032, 2, 3), 1), partitions.ensure(date(2032, 2, 3), 1))"
    )
    env = {**owner_env, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['agent_execution_log_2032_02', 'agent_execution_log_2032_03'] []"
    with as_platform() as connection:
        assert column(connection, where, run) == ["agent_execution_log_2032_02"]
        isolated = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = %s"
        assert column(connection, isolated, "agent_execution_log_2032_02") == [True]


def test_partitions__every_one__takes_rows_but_no_changes(tenants: Tenants) -> None:
    query = """SELECT oid::regclass::text FROM pg_class WHERE relname LIKE 'agent\\_execution\\_log%%'
               AND relkind IN ('r', 'p') AND has_table_privilege(oid, %s)"""
    with as_platform() as connection:
        assert column(connection, query, "UPDATE, DELETE, TRUNCATE") == []
        assert len(column(connection, query, "INSERT")) >= 6

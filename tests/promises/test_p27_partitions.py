"""P27: the log's next months are there before they begin, and no row is lost for want of one."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from agents.models import ExecutionLog
from agents.partitions import AHEAD, TABLE, month_after
from governance.models import Run
from governance.runs import spool
from qualisys import tenancy
from tests.portal import ROOT


def catalogue(query: str, *args: Any) -> list[tuple[Any, ...]]:
    with tenancy.use(tenancy.platform("look at partitions")), connections["default"].cursor() as cursor:
        cursor.execute(query, args)
        return list(cursor.fetchall())


def partition_of(run_id: str) -> str:
    with tenancy.use(tenancy.platform("find a row")), connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {TABLE} WHERE id = %s", [run_id])
        (found,) = cursor.fetchall()
        return str(found[0]).strip('"')


def ensure(owner_env: dict[str, str], day: date) -> None:
    """Ensure partitions as the scheduled task does: in a process of the owner role."""
    code = "import django, sys; from datetime import date; django.setup(); from agents import partitions; "
    code += "partitions.ensure(date.fromisoformat(sys.argv[1]))"
    env = {**owner_env, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    subprocess.run([sys.executable, "-c", code, day.isoformat()], env=env, cwd=ROOT, check=True)


def entry(tenant: tenancy.Tenant, at: datetime) -> dict[str, Any]:
    """Return what the spool holds of a run that ended at `at`."""
    return {
        "run_id": str(uuid4()), "tenant_id": str(tenant.id), "user_id": str(uuid4()), "agent_id": "p27",
        "version": "1.0.0", "version_reason": "stable", "content_hash": "0" * 64, "provider": "openai", "model": "m",
        "demo": False, "customized": False, "conversation_id": str(uuid4()), "input": "x", "documents": [],
        "parameters": {}, "created_at": at.isoformat(), "status": "completed", "log_status": "success",
        "output": "y", "structured_output": None, "problem": None, "error_code": "", "error_message": "",
        "input_tokens": 1, "output_tokens": 2, "usage_estimated": False, "execution_time_ms": 3,
        "first_token_ms": None, "finished_at": at.isoformat(), "conversation_version": "1.0.0",
    }  # fmt: skip


@pytest.mark.promise
def test_p27_partitions__three_months_ahead__exist_and_are_isolated(database: None) -> None:
    """P27: a partition is a table of its own, so it has the row-level security of its parent, forced."""
    wanted = [
        f"{TABLE}_{month_after(date.today().replace(day=1), ahead):%Y_%m}" for ahead in range(AHEAD + 1)
    ]
    found = dict(catalogue(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = ANY(%s)",
        [*wanted, TABLE, f"{TABLE}_default"],
    ))  # fmt: skip
    assert found == dict.fromkeys([*wanted, TABLE, f"{TABLE}_default"], True)


@pytest.mark.promise
def test_p27_ensure__long_before__creates_isolated_partitions_once(
    tenants: dict[str, tenancy.Tenant], owner_env: dict[str, str]
) -> None:
    """P27: what the scheduled task does, for a date far ahead; a second run changes nothing."""
    ensure(owner_env, date(2031, 11, 30))
    ensure(owner_env, date(2031, 11, 30))
    names = [f"{TABLE}_{month}" for month in ("2031_11", "2031_12", "2032_01", "2032_02")]
    policies = "SELECT tablename, count(*) FROM pg_policies WHERE tablename = ANY(%s) GROUP BY 1"
    flags = "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = ANY(%s)"
    assert dict(catalogue(flags, names)) == dict.fromkeys(names, True)
    assert dict(catalogue(policies, names)) == dict.fromkeys(names, dict(catalogue(policies, [TABLE]))[TABLE])
    row = entry(tenants["acme"], datetime(2031, 12, 5, tzinfo=UTC))
    spool.write([row])
    with tenancy.use(tenants["globex"]), connections["default"].cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{names[1]}"')
        assert cursor.fetchone() == (0,)


@pytest.mark.promise
def test_p27_rows__across_a_month_boundary__each_in_its_month(tenants: dict[str, tenancy.Tenant]) -> None:
    """P27: one batch over the boundary fails nothing."""
    first = month_after(date.today().replace(day=1))
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    before, after = (entry(tenants["acme"], midnight + timedelta(microseconds=shift)) for shift in (-1, 0))
    spool.write([before, after])
    assert partition_of(before["run_id"]) == f"{TABLE}_{month_after(first, -1):%Y_%m}"
    assert partition_of(after["run_id"]) == f"{TABLE}_{first:%Y_%m}"


@pytest.mark.promise
def test_p27_row__beyond_every_partition__waits_in_the_default_and_moves(
    tenants: dict[str, tenancy.Tenant], owner_env: dict[str, str]
) -> None:
    """P27: nobody created partitions in time; nothing is lost, doubled or shown to another tenant."""
    rows = [
        entry(tenants[slug], datetime(2033, month, 15, tzinfo=UTC))
        for slug in ("acme", "globex")
        for month in (5, 6)
    ]
    spool.write(rows)
    spool.write(rows)
    assert {partition_of(row["run_id"]) for row in rows} == {f"{TABLE}_default"}
    ensure(owner_env, date(2033, 5, 1))
    assert [partition_of(row["run_id"]) for row in rows] == [f"{TABLE}_2033_05", f"{TABLE}_2033_06"] * 2
    for slug in ("acme", "globex"):
        with tenancy.use(tenants[slug]):
            mine = [row["run_id"] for row in rows if row["tenant_id"] == str(tenants[slug].id)]
            found = ExecutionLog.objects.filter(id__in=[row["run_id"] for row in rows])
            assert sorted(str(each.id) for each in found) == sorted(mine)
            assert Run.objects.filter(pk__in=mine).count() == 2

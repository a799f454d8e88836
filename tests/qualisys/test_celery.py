"""Background work is for somebody: a real worker refuses what does not say for whom, or says it wrongly."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from qualisys import tenancy
from qualisys.celery import TENANT_HEADER, app
from qualisys.tenancy import NoTenantSelected
from tenants import services
from tenants.models import Tenant
from tests.people import SYSTEM
from tests.portal import Process, wait_for
from tests.qualisys.task_probe import QUEUE, as_tenant

Tenants = dict[str, tenancy.Tenant]
REDIS = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@pytest.fixture(scope="module")
def worker(home: Path, tenants: Tenants) -> Iterator[Process]:
    """A worker of the probe's own queue."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    celery = [sys.executable, "-m", "celery", "-A", "tests.qualisys.task_probe", "worker", "-l", "INFO"]
    process = Process("probe", [*celery, "-Q", QUEUE, "-P", "solo", "--concurrency", "1"], env)
    wait_for(lambda: " ready." in process.log.read_text(), 40, "the worker")
    yield process
    process.stop()


def send(task: str, key: str, headers: dict[str, Any] | None = None) -> None:
    app.send_task(task, [key], queue=QUEUE, headers=headers)


def said(key: str) -> list[str]:
    return [str(each) for each in REDIS.lrange(key, 0, -1)]


def after(worker: Process, tenant: tenancy.Tenant) -> None:
    """Wait until the worker has done everything that was sent before now."""
    last = uuid4().hex
    send("probe.tenant", last, {TENANT_HEADER: [str(tenant.id), tenant.schema]})
    wait_for(lambda: said(last), 20, "the worker to come this far")


@pytest.mark.parametrize(
    "kind", ["none", "unknown", "wrong schema", "of another", "no id", "half", "suspended", "text"]
)
def test_task__for_nobody_or_the_wrong_one__does_nothing(
    worker: Process, tenants: Tenants, kind: str
) -> None:
    acme, spare, key = tenants["acme"], tenants["spare_3"], uuid4().hex
    named: Any = {
        "none": None, "unknown": [str(uuid4()), "acme"], "wrong schema": [str(acme.id), "public"],
        "of another": [str(acme.id), "globex"], "no id": ["acme", "acme"], "half": [str(acme.id)],
        "suspended": [str(spare.id), spare.schema], "text": "acme",
    }[kind]  # fmt: skip
    with tenancy.use(tenancy.platform("tests")):
        row = Tenant.objects.get(pk=spare.id)
        services.set_status(actor=SYSTEM, tenant=row, status="suspended")
        try:
            send("probe.tenant", key, {TENANT_HEADER: named} if named else None)
            after(worker, acme)
        finally:
            services.set_status(actor=SYSTEM, tenant=row, status="active")
    assert said(key) == []
    assert "WrongTenant" in worker.log.read_text()


def test_task__without_a_base_of_ours__has_no_context(worker: Process, tenants: Tenants) -> None:
    key = uuid4().hex
    send("probe.nobody", key)
    after(worker, tenants["acme"])
    assert said(key) == []
    assert "NoTenantSelected" in worker.log.read_text()


def test_task__sent_outside_any_tenant__is_refused_already_here() -> None:
    with pytest.raises(NoTenantSelected):
        as_tenant.delay("key")
    with tenancy.use(tenancy.platform("tests")), pytest.raises(NoTenantSelected):
        as_tenant.delay("key")


def test_task__of_a_tenant__runs_as_it_and_leaves_nothing_behind(worker: Process, tenants: Tenants) -> None:
    key, sequence = uuid4().hex, ["acme", "globex", "acme", "spare_0"]
    for schema in sequence:
        with tenancy.use(tenants[schema]):
            as_tenant.apply_async([key], queue=QUEUE)
    wait_for(lambda: len(said(key)) == 4, 20, "four tasks")
    expected = [f"{schema}|{tenants[schema].id}||system:task:probe.tenant|{schema}" for schema in sequence]
    assert said(key) == expected


def test_task__of_the_platform__says_its_name_as_the_reason(worker: Process, tenants: Tenants) -> None:
    key = uuid4().hex
    send("probe.platform", key)
    wait_for(lambda: said(key), 20, "the task")
    assert said(key) == ["public||task probe.platform|system:task:probe.platform|public"]

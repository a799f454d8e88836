"""Background work, always for somebody: a task names its tenant or the platform, or it is refused."""

from __future__ import annotations

import json
import os
from typing import Any, cast
from uuid import UUID

from celery import Celery, Task
from celery.schedules import crontab
from django.conf import settings
from django.utils.module_loading import import_string

from qualisys import audit, tenancy
from qualisys import redis as qredis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qualisys.settings")

app = Celery("qualisys")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_default_queue="default",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 7200},
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    # The demo prints mails; a line of JSON is no place to read one.
    worker_redirect_stdouts=False,
    beat_schedule={
        "log partitions": {"task": "governance.ensure_partitions", "schedule": crontab(minute=7, hour="*/6")},
        "drifted budgets": {
            "task": "governance.reconcile_budgets",
            "schedule": crontab(minute=23, hour=2),
        },
        "lost runs": {"task": "governance.mend_runs", "schedule": 60.0},
    },
    task_routes={
        "governance.ensure_partitions": {"queue": "maintenance"},
        # A run may take minutes: a mail must not wait behind it.
        "governance.execute_run": {"queue": "runs"},
    },
)
app.autodiscover_tasks(["governance", "tenants"])

TENANT_HEADER = "qualisys_tenant"


class WrongTenant(Exception):  # noqa: N818
    """A task names no tenant, an unknown one, or one whose schema is another; it does nothing."""


#: Where messages go that cannot be done, for people to look at and send again, and how many are kept.
DEAD, DEAD_AT_MOST = "tasks:dead", 10_000
#: How often a message is delivered that takes its worker down with it each time.
DELIVERIES = 5


class BoundedTask(Task):  # type: ignore[type-arg]
    """A task whose message is set aside when it fails, or when no worker survives it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.id and self._deliveries() > DELIVERIES:
            self._set_aside(self.request.id, args, kwargs, f"delivered more than {DELIVERIES} times")
            return None
        return super().__call__(*args, **kwargs)

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Set the message aside."""
        self._set_aside(task_id, args, kwargs, f"{type(exc).__name__}: {exc}")

    def _deliveries(self) -> int:
        client, key = qredis.sync_client(), f"task:tries:{self.request.id}"
        tries = int(client.incr(key))
        client.expire(key, 86_400)
        return tries

    def _set_aside(self, task_id: str, args: Any, kwargs: Any, error: str) -> None:
        tenant = self.request.get(TENANT_HEADER) or (self.request.headers or {}).get(TENANT_HEADER)
        letter = {"task": self.name, "args": list(args), "kwargs": dict(kwargs), "tenant": tenant}
        fields = {"letter": json.dumps(letter, default=str), "error": error[:500], "of": task_id}
        qredis.sync_client().xadd(DEAD, cast(Any, fields), maxlen=DEAD_AT_MOST)


class TenantTask(BoundedTask):
    """A task that runs as the tenant that sent it, and only as that one."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Send the task with the current tenant's id and schema."""
        tenant = tenancy.tenant()
        headers = {**(options.pop("headers", None) or {}), TENANT_HEADER: [str(tenant.id), tenant.schema]}
        return super().apply_async(args, kwargs, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tenant = self._tenant()
        with (
            tenancy.use(tenant),
            audit.acting(audit.Actor(f"system:task:{self.name}", str(self.request.id or ""))),
        ):
            return super().__call__(*args, **kwargs)

    def _tenant(self) -> tenancy.Tenant:
        named = self.request.get(TENANT_HEADER) or (self.request.headers or {}).get(TENANT_HEADER)
        if not named or len(named) != 2:
            raise WrongTenant(f"task {self.name} does not say for which tenant it is")
        find = import_string(f"{settings.TENANT_DIRECTORY}.load_tenant")
        try:
            tenant: tenancy.Tenant | None = find(str(UUID(named[0])))
        except ValueError:
            tenant = None
        if tenant is None or tenant.schema != named[1]:
            raise WrongTenant(
                f"task {self.name} is for tenant {named[0]} in schema {named[1]}, which does not exist"
            )
        if tenant.status != "active":
            raise WrongTenant(f"task {self.name} is for {tenant.schema}, which is {tenant.status}")
        return tenant


class PlatformTask(BoundedTask):
    """A task of the platform itself; its name is the reason."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with (
            tenancy.use(tenancy.platform(f"task {self.name}")),
            audit.acting(audit.Actor(f"system:task:{self.name}")),
        ):
            return super().__call__(*args, **kwargs)

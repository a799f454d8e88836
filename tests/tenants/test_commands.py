"""`manage.py tenant create|list|suspend|activate|delete`, as the owner role, in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest

from agents.limits.models import Limits
from qualisys import tenancy
from tenants.models import Host, Tenant
from tests.connections import as_owner, as_platform, column
from tests.tenants.test_schema import as_owner_process

SLUG = "by_command"
HOST = f"{SLUG.replace('_', '-')}.localhost"

#: The life of a tenant, with what is refused on the way.
STORY: dict[str, list[str]] = {
    "unknown": ["suspend", "nothing_here"],
    "create": ["create", SLUG, "--name", "Commanded", "--tier", "enterprise"],
    "create again": ["create", SLUG],
    "create with its host": ["create", f"{SLUG}_b", "--host", HOST],
    "create with no host": ["create", f"{SLUG}_c", "--host", "not a host"],
    "list": ["list"],
    "delete active": ["delete", SLUG, "--yes", SLUG],
    "suspend": ["suspend", SLUG, "--reason", "unpaid"],
    "list suspended": ["list"],
    "activate": ["activate", SLUG],
    "suspend again": ["suspend", SLUG],
    "delete unconfirmed": ["delete", SLUG],
    "delete wrongly confirmed": ["delete", SLUG, "--yes", "acme"],
    "delete": ["delete", SLUG, "--yes", SLUG],
    "list deleted": ["list"],
    "delete again": ["delete", SLUG, "--yes", SLUG],
}

pytestmark = pytest.mark.usefixtures("database")
Said = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def said(owner_env: dict[str, str], database: None) -> Said:
    steps, alive = list(STORY.values()), list(STORY).index("delete unconfirmed")
    answers = as_owner_process("commands", steps[:alive], owner_env)
    with tenancy.use(tenancy.platform("tests")):
        Limits.objects.create(tenant_id=Tenant.objects.get(schema_name=SLUG).pk, daily_tokens=5)
    answers += as_owner_process("commands", steps[alive:], owner_env)
    return dict(zip(STORY, answers, strict=True))


@pytest.mark.parametrize(
    ("step", "because"),
    [
        ("unknown", "There is no tenant 'nothing_here'"),
        ("create again", "is taken"),
        ("create with its host", "is taken"),
        ("create with no host", "is not a host name"),
        ("delete active", "Suspend the organisation before"),
        ("delete unconfirmed", f"Confirm with --yes {SLUG}"),
        ("delete wrongly confirmed", f"Confirm with --yes {SLUG}"),
        ("delete again", "There is no tenant"),
    ],
)
def test_command__that_must_not_happen__refused_in_a_sentence(said: Said, step: str, because: str) -> None:
    assert because in said[step]["refused"]


def test_create__says_where_it_is_reached_and_how_long_it_took(said: Said) -> None:
    assert "schema ready in 0." in said["create"]["out"]
    assert HOST in said["create"]["out"]


def test_list__shows_tier_status_and_host(said: Said) -> None:
    (line,) = [line for line in said["list"]["out"].splitlines() if line.startswith(SLUG)]
    assert line.split()[1:5] == ["enterprise", "active", "0", "people"]
    (line,) = [line for line in said["list suspended"]["out"].splitlines() if line.startswith(SLUG)]
    assert line.split()[2] == "suspended"
    assert SLUG not in said["list deleted"]["out"]


def test_delete__leaves_no_schema_no_host_and_no_limits(said: Said) -> None:
    assert said["delete"]["refused"] == ""
    with as_owner() as owner:
        assert column(owner, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE %s", f"{SLUG}%") == [0]
    with tenancy.use(tenancy.platform("tests")):
        assert not Host.objects.filter(domain=HOST).exists()
        assert not Tenant.objects.filter(schema_name__startswith=SLUG).exists()
        left = Limits.objects.exclude(tenant_id=None).exclude(tenant_id__in=Tenant.objects.values("pk"))
        assert not left.exists()


def test_life_of_a_tenant__is_in_the_audit_trail(said: Said) -> None:
    with as_platform() as connection:
        query = """SELECT action, actor, body::jsonb ->> 'reason' FROM audit_event
                   WHERE object_type = 'tenant' AND object_id = %s ORDER BY seq"""
        found: list[Any] = connection.execute(query, [SLUG]).fetchall()
    by = "system:command"
    assert found == [
        ("tenant.created", by, ""), ("tenant.changed", by, "unpaid"), ("tenant.changed", by, ""),
        ("tenant.changed", by, ""), ("tenant.deleted", by, ""),
    ]  # fmt: skip

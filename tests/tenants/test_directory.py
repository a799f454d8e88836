"""Who is who, as every request asks it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from qualisys import redis as qredis
from qualisys import tenancy
from qualisys.database.threads import in_thread
from tenants import directory, members
from tests.people import SYSTEM, Somebody, key_of, somebody

Tenants = dict[str, tenancy.Tenant]


@pytest.fixture
def person(tenants: Tenants) -> Somebody:
    return somebody(tenants["acme"], "dev")


@pytest.mark.parametrize(
    "key", ["", "nothing", "public", "6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11", "%", "' OR 1=1 --"]
)
def test_tenant__that_is_none__is_none(tenants: Tenants, key: str) -> None:
    assert directory.load_tenant(key) is None


def test_tenant__by_id_or_slug__is_the_same(tenants: Tenants) -> None:
    assert directory.load_tenant("acme") == directory.load_tenant(str(tenants["acme"].id)) == tenants["acme"]


async def test_host__of_nobody_or_the_platform__is_none(tenants: Tenants) -> None:
    for host in ("", "localhost", "nobody.example", "ACME.localhost", "acme.localhost:80"):
        assert await directory.by_host(host) is None
    assert await directory.by_host("acme.localhost") == tenants["acme"]
    await qredis.close()


def test_person__elsewhere_or_deactivated__has_no_standing(tenants: Tenants, person: Somebody) -> None:
    assert directory.load_person((str(tenants["globex"].id), person.user.pk)) is None
    assert directory.load_person(("", person.user.pk)) is None
    assert directory.load_person((str(uuid4()), person.user.pk)) is None
    with tenancy.use(tenancy.platform("tests")):
        members.change_member(actor=SYSTEM, member=person.member, is_active=False)  # type: ignore[arg-type]
    assert directory.load_person((str(tenants["acme"].id), person.user.pk)) is None


def test_person__of_a_tenant_and_the_platform__has_one_role_in_each(tenants: Tenants) -> None:
    both = somebody(tenants["acme"], "viewer", platform_role="platform_admin")
    member = directory.load_person((str(tenants["acme"].id), both.user.pk))
    staff = directory.load_person(("", both.user.pk))
    assert member is not None
    assert staff is not None
    assert (member.role, member.platform_role) == ("viewer", "")
    assert (staff.role, staff.platform_role) == ("", "platform_admin")


async def test_key__asked_for_in_another_tenant__is_not_there(tenants: Tenants, person: Somebody) -> None:
    key, _ = await in_thread(key_of, tenants["acme"], person.user)
    assert (await directory.keys.get((str(tenants["acme"].id), key.prefix))) == key
    for other in (str(tenants["globex"].id), ""):
        assert await directory.keys.get((other, key.prefix)) is None
    await qredis.close()

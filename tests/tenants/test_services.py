"""Writes about people, memberships and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from qualisys import tenancy
from qualisys.problems import Problem
from tenants import api_keys, members, services
from tenants.models import ApiKey, Membership, Session, Tenant, User
from tests.people import SYSTEM, key_of, somebody

pytestmark = pytest.mark.usefixtures("database", "platform")
Tenants = dict[str, tenancy.Tenant]
PASSWORD = "correct horse battery"


class Nobody:
    """An actor without any right."""

    actor_id = "nobody"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False


@pytest.fixture
def platform() -> Iterator[None]:
    with tenancy.use(tenancy.platform("tests")):
        yield


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """The code of the refusal, and its field if it names one."""
    with pytest.raises(Problem) as caught:
        call()
    return caught.value.code, caught.value.errors[0]["field"] if caught.value.errors else ""


@pytest.mark.parametrize(
    "verb", ["tenant", "rename", "status", "delete", "user", "active", "member", "change", "key", "revoke"]
)
def test_service__without_the_permission__does_nothing(tenants: Tenants, verb: str) -> None:
    home, person, nobody = tenants["spare_3"], somebody(tenants["spare_3"]), Nobody()
    key, _ = key_of(home, person.user)
    row = Tenant.objects.get(pk=home.id)
    calls: dict[str, Callable[[], object]] = {
        "tenant": lambda: services.create_tenant(actor=nobody, slug="never", name="x", hosts=[]),
        "rename": lambda: services.update_tenant(actor=nobody, tenant=row, name="x", tier="standard"),
        "status": lambda: services.set_status(actor=nobody, tenant=row, status="suspended"),
        "delete": lambda: services.delete_tenant(actor=nobody, tenant=row),
        "user": lambda: services.create_user(actor=nobody, email="a@b.example", password=PASSWORD),
        "active": lambda: services.set_user_active(actor=nobody, user=person.user, is_active=False),
        "member": lambda: members.add_member(actor=nobody, tenant_id=home.id, user=person.user, role="dev"),
        "change": lambda: members.change_member(actor=nobody, member=person.member, role="owner"),  # type: ignore[arg-type]
        "key": lambda: api_keys.create_api_key(actor=nobody, tenant_id=home.id, owner=person.user, name="x"),
        "revoke": lambda: api_keys.revoke_api_key(actor=nobody, key=key),
    }
    assert refusal(calls[verb]) == ("permission_denied", "")
    key.refresh_from_db()
    assert (key.revoked_at, Membership.objects.get(user=person.user).role) == (None, "dev")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "nobody"}, "email"), ({"email": ""}, "email"), ({"email": "a b@c.example"}, "email"),
        ({"password": "short"}, "password"), ({"password": "password1234"}, "password"),
        ({"email": "grace@navy.example", "password": "grace@navy.example"}, "password"),
        ({"platform_role": "god"}, "platform_role"),
    ],
)  # fmt: skip
def test_create_user__with_a_bad_field__refused_by_name(changes: dict[str, str], field: str) -> None:
    fields = {"email": f"{uuid4().hex}@people.example", "password": PASSWORD, **changes}
    assert refusal(lambda: services.create_user(actor=SYSTEM, **fields)) == ("validation_error", field)


def test_create_user__twice_in_another_case__conflict() -> None:
    person = somebody()
    again = person.email.upper()
    assert (
        refusal(lambda: services.create_user(actor=SYSTEM, email=again, password=PASSWORD))[0] == "conflict"
    )


def test_create_user__stores_no_password_in_plain() -> None:
    row = User.objects.get(pk=somebody().user.pk)
    assert row.password.startswith("argon2$argon2id$")


def test_add_member__twice_or_with_no_role__refused(tenants: Tenants) -> None:
    home, person = tenants["spare_3"], somebody(tenants["spare_3"])
    add = members.add_member
    assert (
        refusal(lambda: add(actor=SYSTEM, tenant_id=home.id, user=person.user, role="dev"))[0] == "conflict"
    )
    assert refusal(lambda: add(actor=SYSTEM, tenant_id=home.id, user=somebody().user, role="boss")) == (
        "validation_error", "role",
    )  # fmt: skip


@pytest.mark.parametrize("change", [{"role": "dev"}, {"is_active": False}])
def test_change_member__the_last_one_in_charge__conflict(tenants: Tenants, change: dict[str, Any]) -> None:
    in_charge = Membership.objects.filter(
        tenant_id=tenants["spare_3"].id, role__in=["owner", "admin"], is_active=True
    )
    first, *others = list(in_charge)
    for member in others:
        members.change_member(actor=SYSTEM, member=member, is_active=False)
    assert refusal(lambda: members.change_member(actor=SYSTEM, member=first, **change))[0] == "conflict"
    first.refresh_from_db()
    assert (first.is_active, first.role in ("owner", "admin")) == (True, True)
    for member in others:
        members.change_member(actor=SYSTEM, member=member, is_active=True)


def test_change_member__deactivated__loses_the_browser_sessions(tenants: Tenants) -> None:
    home, person = tenants["spare_3"], somebody(tenants["spare_3"])
    later = timezone.now() + timedelta(hours=1)
    Session.objects.create(session_key=uuid4().hex, expire_date=later, user=person.user, tenant_id=home.id)
    members.change_member(actor=SYSTEM, member=person.member, is_active=False)  # type: ignore[arg-type]
    assert not Session.objects.filter(user=person.user).exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"scopes": ["everything"]}, "scopes"), ({"name": ""}, "name"), ({"name": " "}, "name"),
     ({"name": "x" * 101}, "name"), ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at")],
)  # fmt: skip
def test_create_key__with_a_bad_field__refused_by_name(
    tenants: Tenants, changes: dict[str, Any], field: str
) -> None:
    owner = somebody(tenants["spare_3"]).user
    fields = {"tenant_id": tenants["spare_3"].id, "owner": owner, "name": "x", **changes}
    assert refusal(lambda: api_keys.create_api_key(actor=SYSTEM, **fields)) == ("validation_error", field)


def test_create_key__stores_a_hash_and_never_the_secret(tenants: Tenants) -> None:
    row, text = key_of(tenants["spare_3"], somebody(tenants["spare_3"]).user)
    secret = text.rsplit("_", 1)[1]
    stored = ApiKey.objects.filter(pk=row.pk).values_list()[0]
    assert secret not in repr(stored)
    assert tenants["spare_3"].id.hex in text


def test_revoke_key__twice__keeps_the_first_moment(tenants: Tenants) -> None:
    row, _ = key_of(tenants["spare_3"], somebody(tenants["spare_3"]).user)
    first = api_keys.revoke_api_key(actor=SYSTEM, key=row).revoked_at
    assert api_keys.revoke_api_key(actor=SYSTEM, key=row).revoked_at == first


def test_delete_tenant__while_active__conflict(tenants: Tenants) -> None:
    row = Tenant.objects.get(pk=tenants["spare_3"].id)
    assert refusal(lambda: services.delete_tenant(actor=SYSTEM, tenant=row))[0] == "conflict"

"""Signing in by API: tokens for people, and the one answer for everything wrong."""

from __future__ import annotations

import os
import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
import redis

from qualisys import tenancy
from tenants import members, services
from tenants.models import Tenant
from tests.connections import as_platform, column
from tests.people import SYSTEM, Somebody, somebody
from tests.portal import Portal, wait_for

Tenants = dict[str, tenancy.Tenant]


@pytest.fixture(autouse=True)
def not_slowed_down() -> None:
    """Let no test be refused for the sign-ins of the one before."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    for counter in client.scan_iter("signin:*"):
        client.delete(counter)


@pytest.fixture(scope="module")
def person(tenants: Tenants) -> Somebody:
    return somebody(tenants["acme"], "dev")


def asked(portal: Portal, body: dict[str, Any], host: str | None = None) -> tuple[int, dict[str, Any]]:
    with portal.client(host, None) as client:
        answer = client.post("/auth/token", json=body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "change",
    [
        {"password": "wrong"},
        {"password": ""},
        {"email": "nobody@people.example"},
        {"email": ""},
        {"email": "' OR 1=1 --"},
        {"tenant": "globex"},
        {"tenant": "nothing"},
        {"tenant": None},
        {"tenant": "public"},
        {"tenant": str(uuid4())},
    ],
)
def test_token__for_a_wrong_combination__one_answer(
    portal: Portal, person: Somebody, change: dict[str, Any]
) -> None:
    body = {"email": person.email, "password": person.password, "tenant": "acme", **change}
    status, problem = asked(portal, body)
    assert (status, problem["code"]) == (401, "not_authenticated")
    assert problem["detail"] == "E-mail, password or organisation are not right."


def test_token__on_the_host_of_another_organisation__refused(portal: Portal, person: Somebody) -> None:
    body = {"email": person.email, "password": person.password, "tenant": "acme"}
    assert asked(portal, body, "globex")[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "a"},
        {"password": "b"},
        {"email": 1, "password": 2},
        {"email": "a", "password": "b", "x": 1},
    ],
)
def test_token__without_what_it_needs__validation_error(portal: Portal, body: dict[str, Any]) -> None:
    assert asked(portal, body)[1]["code"] == "validation_error"


def test_token__guessed_too_often__slowed_down(portal: Portal) -> None:
    body = {"email": f"{uuid4().hex}@people.example", "password": "guess", "tenant": "acme"}
    answers = [asked(portal, body)[0] for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    with portal.client(None, None) as client:
        last = client.post("/auth/token", json=body)
    assert last.json()["code"] == "rate_limited"
    assert 1 <= int(last.headers["Retry-After"]) <= 60


def test_token__for_a_person_of_a_suspended_tenant__refused(portal: Portal, tenants: Tenants) -> None:
    member = somebody(tenants["spare_3"])
    with tenancy.use(tenancy.platform("tests")):
        row = Tenant.objects.get(pk=tenants["spare_3"].id)
        services.set_status(actor=SYSTEM, tenant=row, status="suspended")
        try:
            body = {"email": member.email, "password": member.password, "tenant": "spare_3"}
            wait_for(lambda: asked(portal, body)[0] == 403, 3, "the refusal")
        finally:
            services.set_status(actor=SYSTEM, tenant=row, status="active")


@pytest.mark.parametrize("host", [None, "acme"])
def test_token__says_who_where_and_how_long(
    portal: Portal, tenants: Tenants, person: Somebody, host: str | None
) -> None:
    body = {
        "email": person.email.upper(),
        "password": person.password,
        **({} if host else {"tenant": "acme"}),
    }
    status, pair = asked(portal, body, host)
    assert (status, pair["expires_in"], pair["token_type"]) == (200, 900, "Bearer")
    claims = jwt.decode(pair["access"], options={"verify_signature": False})
    assert (claims["sub"], claims["tenant_id"], claims["role"]) == (
        str(person.user.pk),
        str(tenants["acme"].id),
        "dev",
    )
    assert (claims["iss"], claims["aud"], claims["typ"]) == ("qualisys", "qualisys-api", "access")
    assert claims["exp"] - claims["iat"] == 900
    assert jwt.get_unverified_header(pair["access"])["alg"] == "EdDSA"


def test_token__of_the_platform__has_no_tenant(portal: Portal) -> None:
    claims = jwt.decode(portal.token(None, "platform_owner")["access"], options={"verify_signature": False})
    assert (claims["tenant_id"], claims["role"]) == (None, "platform_owner")


def test_sign_in__is_in_the_tenants_audit_trail(portal: Portal, tenants: Tenants) -> None:
    member = somebody(tenants["acme"])
    portal.signed_in(member.email, member.password, "acme")
    with as_platform() as connection:
        query = "SELECT tenant_id FROM audit_event WHERE action = 'session.started' AND actor = %s"
        assert column(connection, query, str(member.user.pk)) == [tenants["acme"].id]


def test_logout__with_a_key__says_what_to_do_instead(portal: Portal) -> None:
    with portal.client("acme") as client:
        answer = client.post("/auth/logout")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_logout__ends_this_session_and_no_other(portal: Portal, person: Somebody) -> None:
    one, other = (portal.signed_in(person.email, person.password, "acme") for _ in range(2))
    with portal.client("acme", None, Authorization=f"Bearer {one['access']}") as client:
        assert client.post("/auth/logout").status_code == 204
        wait_for(lambda: client.get("/agents").status_code == 401, 3, "the end of the session")
        assert client.post("/auth/refresh", json={"refresh": one["refresh"]}).status_code == 401
    with portal.client("acme", None, Authorization=f"Bearer {other['access']}") as client:
        assert client.get("/agents").status_code == 200


def test_refresh__renews_with_the_role_of_today(portal: Portal, tenants: Tenants) -> None:
    member = somebody(tenants["acme"], "dev")
    pair = portal.signed_in(member.email, member.password, "acme")
    with tenancy.use(tenancy.platform("tests")):
        members.change_member(actor=SYSTEM, member=member.member, role="qa_automation")  # type: ignore[arg-type]
    time.sleep(0.6)
    with portal.client("acme", None) as client:
        fresh = client.post("/auth/refresh", json={"refresh": pair["refresh"]}).json()
    assert jwt.decode(fresh["access"], options={"verify_signature": False})["role"] == "qa_automation"

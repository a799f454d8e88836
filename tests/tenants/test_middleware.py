"""Pages: the host names the tenant, the session's person must belong to it."""

from __future__ import annotations

import pytest

from qualisys import tenancy
from tenants import members, services
from tenants.models import Session, Tenant
from tests import pages
from tests.people import SYSTEM, Somebody, somebody
from tests.portal import Portal, wait_for

Tenants = dict[str, tenancy.Tenant]


@pytest.fixture
def person(tenants: Tenants) -> Somebody:
    return somebody(tenants["acme"], "dev")


@pytest.mark.parametrize("host", ["nobody.localhost", "acme.localhost.evil.example"])
def test_host__of_nobody__is_a_page_that_says_so(portal: Portal, host: str) -> None:
    with pages.browser(portal) as client:
        answer = client.get("/", headers={"Host": host})
    assert answer.status_code in (400, 404)
    assert "Traceback" not in answer.text


def test_suspended_tenant__shows_one_page_for_everything(portal: Portal, tenants: Tenants) -> None:
    with tenancy.use(tenancy.platform("tests")), pages.browser(portal, "spare_3") as client:
        row = Tenant.objects.get(pk=tenants["spare_3"].id)
        services.set_status(actor=SYSTEM, tenant=row, status="suspended")
        try:
            wait_for(lambda: client.get("/sign-in/").status_code == 403, 3, "the suspension")
            assert "suspended" in client.get("/").text
        finally:
            services.set_status(actor=SYSTEM, tenant=row, status="active")
        wait_for(lambda: client.get("/sign-in/").status_code == 200, 3, "the tenant to be back")


@pytest.mark.parametrize("where", ["globex", None])
def test_sign_in__of_somebody_who_does_not_belong_here__refused(
    portal: Portal, person: Somebody, where: str | None
) -> None:
    with pages.browser(portal, where) as client:
        path = "/sign-in/" if where else "/admin/login/"
        answer = pages.sign_in(client, person.email, person.password, path)
        assert answer.status_code in (200, 401), "the form, once more"
        assert "sessionid" not in client.cookies


def test_sign_in__without_the_csrf_token__refused(portal: Portal, person: Somebody) -> None:
    with pages.browser(portal) as client:
        answer = client.post("/sign-in/", data={"email": person.email, "password": person.password})
    assert answer.status_code == 403
    assert "sessionid" not in answer.cookies


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_sign_in__with_a_foreign_target__stays_here(portal: Portal, person: Somebody, target: str) -> None:
    with pages.browser(portal) as client:
        client.get("/sign-in/")
        form = {
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
            "email": person.email,
            "password": person.password,
            "next": target,
        }
        answer = client.post("/sign-in/", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_session_cookie__is_out_of_reach_of_scripts_and_other_sites(portal: Portal, person: Somebody) -> None:
    with pages.browser(portal) as client:
        answer = pages.sign_in(client, person.email, person.password)
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("sessionid")]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_session__is_a_row_of_person_and_tenant(portal: Portal, tenants: Tenants, person: Somebody) -> None:
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        key = client.cookies["sessionid"]
    with tenancy.use(tenants["acme"]):
        row = Session.objects.get(session_key=key)
    assert (row.user_id, row.tenant_id) == (person.user.pk, tenants["acme"].id)


def test_session__of_a_member_who_leaves__ends_on_the_next_page(portal: Portal, person: Somebody) -> None:
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        assert client.get("/").status_code == 200
        with tenancy.use(tenancy.platform("tests")):
            members.change_member(actor=SYSTEM, member=person.member, is_active=False)  # type: ignore[arg-type]
        assert client.get("/").status_code == 302
        wait_for(lambda: client.get("/api/v1/agents").status_code == 401, 3, "the API to refuse")


def test_session__in_the_api__needs_the_csrf_token_to_change_anything(
    portal: Portal, person: Somebody
) -> None:
    agent = portal.register()
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        refused = client.post(f"/api/v1/agents/{agent}/runs", json={"input": "x"})
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        token = {"X-CSRFToken": client.cookies["csrftoken"]}
        assert (
            client.post(f"/api/v1/agents/{agent}/runs", json={"input": "x"}, headers=token).status_code == 201
        )
        foreign = {**token, "Origin": "http://evil.example"}
        assert (
            client.post(f"/api/v1/agents/{agent}/runs", json={"input": "x"}, headers=foreign).status_code
            == 403
        )


def test_sign_out__ends_the_session_everywhere(portal: Portal, person: Somebody) -> None:
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        kept = dict(client.cookies)
        assert client.get("/sign-out/").status_code == 405, "not by a link"
        client.post("/sign-out/", data={"csrfmiddlewaretoken": client.cookies["csrftoken"]})
    with pages.browser(portal, "acme") as thief:
        thief.cookies.update(kept)
        assert thief.get("/").status_code == 302
        wait_for(lambda: thief.get("/api/v1/agents").status_code == 401, 3, "the API to refuse")

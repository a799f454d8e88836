"""Invitations: only for whom the inviter may admit, only by who reads the mail, only once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import httpx2 as httpx
import pytest
from django.utils import timezone

from qualisys import tenancy
from tenants.models import Membership, User
from tenants.signin.models import Invitation
from tests import pages
from tests.connections import as_platform, column
from tests.people import somebody
from tests.portal import Portal
from tests.signin import link_in, mail_to, release_brake, send, texts, with_factor

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
PASSWORD = "violet harbour 42 lamp"
INVITE = "/settings/members/invite/"


@pytest.fixture(autouse=True)
def no_brake() -> Iterator[None]:
    release_brake()
    yield
    release_brake()


@pytest.fixture
def admin(portal: Portal, tenants: Tenants) -> Iterator[httpx.Client]:
    person = somebody(tenants["spare_2"], "admin")
    with pages.signed_in(portal, "spare_2", person.email, person.password) as client:
        yield client


def fresh() -> str:
    return f"{uuid4().hex[:12]}@people.example"


def invited(admin: httpx.Client, address: str, role: str = "dev") -> str:
    """Invite an address and return the path of the link it gets."""
    answer = send(admin, INVITE, email=address, role=role)
    assert answer.status_code == 302, answer.text
    return link_in(mail_to(address))


def members(tenants: Tenants, address: str) -> list[str]:
    with tenancy.use(tenants["spare_2"]):
        return list(
            Membership.objects.filter(user__email=address, is_active=True).values_list("role", flat=True)
        )


@pytest.mark.parametrize("role", ["pm_csm", "viewer", "client_stakeholder"])
def test_invite__by_a_role_that_manages_nobody__forbidden(
    portal: Portal, tenants: Tenants, role: str
) -> None:
    person, address = somebody(tenants["spare_2"], role), fresh()
    with pages.signed_in(portal, "spare_2", person.email, person.password) as client:
        assert send(client, INVITE, email=address, role="dev").status_code == 403
    with tenancy.use(tenants["spare_2"]):
        assert not Invitation.objects.filter(email=address).exists()


def test_invite__an_owner_by_an_administrator__refused(admin: httpx.Client) -> None:
    answer = send(admin, INVITE, email=fresh(), role="owner")
    assert answer.status_code == 422
    assert "Select a valid choice" in answer.text


@pytest.mark.parametrize(
    "address", ["", "nobody", "a@b", "a b@people.example", "a@people.example\nBcc: x@y.example"]
)
def test_invite__no_address__refused_beside_the_field(admin: httpx.Client, address: str) -> None:
    answer = send(admin, INVITE, email=address, role="dev")
    assert answer.status_code == 422
    assert "field-wrong" in answer.text


def test_invite__a_member_or_twice__refused(admin: httpx.Client, tenants: Tenants) -> None:
    member, address = somebody(tenants["spare_2"]), fresh()
    assert "a member already" in send(admin, INVITE, email=member.email.upper(), role="dev").text
    invited(admin, address)
    assert "invited already" in send(admin, INVITE, email=address.upper(), role="dev").text


def test_invite__somebody_known_elsewhere__looks_like_anybody(admin: httpx.Client, tenants: Tenants) -> None:
    known = somebody(tenants["globex"])
    answers = [send(admin, INVITE, email=address, role="dev") for address in (known.email, fresh())]
    assert [answer.status_code for answer in answers] == [302, 302]
    plain = [texts(mail_to(known.email))[0]]
    assert "globex" not in plain[0].lower()


def test_link__on_another_host_made_up_or_expired__not_valid(
    portal: Portal, admin: httpx.Client, tenants: Tenants
) -> None:
    address = fresh()
    path = invited(admin, address)
    with pages.browser(portal, "acme") as other:
        assert other.get(path).status_code == 404
        assert other.get("/welcome/made-up/").status_code == 404
    with tenancy.use(tenants["spare_2"]):
        Invitation.objects.filter(email=address).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pages.browser(portal, "spare_2") as client:
        assert client.get(path).status_code == 404
        assert send(client, path, name="Late", password=PASSWORD).status_code == 404
    assert members(tenants, address) == []


def test_link__of_an_invitation_taken_back_or_sent_again__not_valid(
    portal: Portal, admin: httpx.Client, tenants: Tenants
) -> None:
    address = fresh()
    first = invited(admin, address)
    with tenancy.use(tenants["spare_2"]):
        row = Invitation.objects.get(email=address)
    assert send(admin, f"/settings/members/invitations/{row.pk}/send/").status_code == 302
    second = link_in(mail_to(address, 2))
    with pages.browser(portal, "spare_2") as client:
        assert [client.get(path).status_code for path in (first, second)] == [404, 200]
        assert send(admin, f"/settings/members/invitations/{row.pk}/revoke/").status_code == 302
        assert client.get(second).status_code == 404


def test_accept__somebody_new__chooses_name_and_password_and_is_in(
    portal: Portal, admin: httpx.Client, tenants: Tenants
) -> None:
    address = fresh()
    path = invited(admin, address, "qa_manual")
    with pages.browser(portal, "spare_2") as client:
        page = client.get(path)
        assert (page.status_code, page.headers["Referrer-Policy"]) == (200, "same-origin")
        assert send(client, path, name="Nina New", password="short").status_code == 422
        assert send(client, path, name=" ", password=PASSWORD).status_code == 422
        assert members(tenants, address) == []
        assert send(client, path, name="Nina New", password=PASSWORD).headers["Location"] == "/"
        assert "Nina New" in client.get("/").text
        assert send(client, path, name="Again", password=PASSWORD).status_code == 404
    assert members(tenants, address) == ["qa_manual"]
    with as_platform() as connection:
        query = """SELECT actor FROM audit_event WHERE action = 'member.created' AND tenant_id = %s
                   ORDER BY seq DESC LIMIT 1"""
        assert column(connection, query, tenants["spare_2"].id) == ["system:invitation"]


def test_accept__somebody_known__needs_their_own_password_and_keeps_it(
    portal: Portal, admin: httpx.Client, tenants: Tenants
) -> None:
    known = somebody(tenants["globex"])
    path = invited(admin, known.email)
    with pages.browser(portal, "spare_2") as client:
        assert "have an account" in client.get(path).text
        assert send(client, path, name="Mallory", password=PASSWORD).status_code == 422
        assert members(tenants, known.email) == []
        assert send(client, path, password=known.password).status_code == 302
        assert client.get("/").status_code == 200
    assert members(tenants, known.email) == ["dev"]
    with tenancy.use(tenancy.platform("tests")):
        assert User.objects.get(pk=known.user.pk).name == "Somebody"


def test_accept__somebody_known_with_a_second_factor__is_asked_for_the_code(
    portal: Portal, admin: httpx.Client, tenants: Tenants
) -> None:
    known = somebody(tenants["globex"])
    with_factor(known.user.pk)
    path = invited(admin, known.email)
    with pages.browser(portal, "spare_2") as client:
        assert send(client, path, password=known.password).headers["Location"].startswith("/sign-in/code/")
        assert client.get("/").status_code == 302


def test_mail__names_who_invites_as_what_and_only_escaped(admin: httpx.Client) -> None:
    address = fresh()
    invited(admin, address, "pm_csm")
    plain, html = texts(mail_to(address))
    assert "PM / CSM" in plain
    assert "Spare 2" in plain
    assert "<script" not in html
    assert mail_to(address)["Subject"] == "You are invited to Spare 2 on QUALISYS"

"""The platform console: who may enter and who may write; tenants, people and keys by the services' own rules."""

from __future__ import annotations

import html
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import httpx2 as httpx
import pytest

from qualisys import tenancy
from qualisys.console import PLATFORM_CHAIN
from tenants.models import ApiKey, Membership, Tenant, User
from tests.console import LISTS, errors, last_event, post, register, with_key
from tests.pages import browser
from tests.people import key_of, somebody
from tests.portal import ROOT, Portal, wait_for
from versions.models import AgentVersion

pytestmark = pytest.mark.usefixtures("database")


class Made(NamedTuple):
    """Two tenants that were asked for, who asked for the first, and what the worker answered."""

    slug: str
    refused: str
    asker: str
    answers: list[str]


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    """Look at the database as the platform."""
    with tenancy.use(tenancy.platform("tests")):
        yield


@pytest.mark.parametrize("page", LISTS)
def test_console__anonymous__is_led_to_the_sign_in(portal: Portal, page: str) -> None:
    with browser(portal, None) as client:
        answer = client.get(f"/admin/{page}")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/admin/login/")


def test_console__on_a_tenants_host__is_not_there(portal: Portal) -> None:
    with browser(portal, "acme") as client:
        assert client.get("/admin/").status_code == 404


def test_sign_in__member_of_a_tenant__is_refused(portal: Portal) -> None:
    person = portal.login("acme", "owner")
    with browser(portal, None) as client:
        client.get("/admin/login/")
        answer = post(client, "login/", email=person["email"], password=person["password"])
    assert answer.status_code == 401
    assert "are not right" in answer.text


def test_sign_in__guessing__is_slowed_down(portal: Portal) -> None:
    email = f"{secrets.token_hex(6)}@nobody.example"
    with browser(portal, None) as client:
        client.get("/admin/login/")
        answers = [post(client, "login/", email=email, password="wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert "Too many attempts" in answers[10].text
    assert int(answers[10].headers["Retry-After"]) <= 60


@pytest.mark.parametrize("page", LISTS)
def test_support__any_page__is_shown(support: httpx.Client, page: str) -> None:
    assert support.get(f"/admin/{page}").status_code == 200


@pytest.mark.parametrize("add", ["agents/agentdefinition", "versions/agentversion", "tenants/tenant", "tenants/user",
                                 "tenants/membership", "tenants/apikey"])  # fmt: skip
def test_support__adding_anything__is_refused(support: httpx.Client, add: str) -> None:
    assert support.get(f"/admin/{add}/add/").status_code == 403
    assert post(support, f"{add}/add/", name="x").status_code == 403


def test_support__changing_anything__is_refused(support: httpx.Client, owner: httpx.Client) -> None:
    agent = register(owner)
    version = AgentVersion.objects.get(agent=agent)
    tenant = Tenant.objects.get(schema_name="spare_0")
    page = support.get(f"/admin/agents/agentdefinition/{agent.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.text
    assert "Turn off" not in page.text
    for path in (
        f"agents/agentdefinition/{agent.pk}/change/", f"agents/agentdefinition/{agent.pk}/turn_off/",
        f"versions/agentversion/{version.pk}/change/", f"tenants/tenant/{tenant.pk}/suspend/",
        f"tenants/tenant/{tenant.pk}/change/",
    ):  # fmt: skip
        assert post(support, path, reason="because").status_code == 403, path
    agent.refresh_from_db()
    assert agent.enabled


def test_owner__deleting_anything__is_refused(owner: httpx.Client) -> None:
    agent = register(owner)
    assert owner.get(f"/admin/agents/agentdefinition/{agent.pk}/delete/").status_code == 403
    assert post(owner, f"agents/agentdefinition/{agent.pk}/delete/", post="yes").status_code == 403


def test_form__without_its_token__is_refused(owner: httpx.Client) -> None:
    agent = register(owner)
    answer = owner.post(f"/admin/agents/agentdefinition/{agent.pk}/turn_off/", data={"reason": "forged"})
    assert answer.status_code == 403


def test_tenant__name_and_tier__are_changed_by_the_service(owner: httpx.Client) -> None:
    tenant = Tenant.objects.get(schema_name="spare_1")
    path = f"tenants/tenant/{tenant.pk}/change/"
    assert "Select a valid choice" in errors(post(owner, path, name="Spare", tier="gold"))
    assert post(owner, path, name="Spare one", tier="enterprise").status_code == 302
    tenant.refresh_from_db()
    assert (tenant.name, tenant.tier) == ("Spare one", "enterprise")
    assert last_event(PLATFORM_CHAIN, "spare_1").action == "tenant.changed"


def test_tenant__suspended__is_shut_within_a_second(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    tenant = tenants["spare_2"]
    member = somebody(tenant, "owner")
    _, key = key_of(tenant, member.user)
    with with_key(portal, None, key) as client:
        assert client.get("/agents").status_code == 200
        assert post(owner, f"tenants/tenant/{tenant.id}/suspend/", reason="Unpaid").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 403, 1.0, "the suspension")
        assert post(owner, f"tenants/tenant/{tenant.id}/activate/", reason="Paid").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 200, 1.0, "the end of the suspension")


def test_tenant__bad_request__is_refused_before_it_is_queued(owner: httpx.Client) -> None:
    form = {"schema_name": "Acme!", "name": "New", "tier": "standard", "hosts": "not a host"}
    said = errors(post(owner, "tenants/tenant/add/", **form))
    assert "3 to 41 lower-case letters" in said
    assert "not a host name" in said
    said = errors(
        post(owner, "tenants/tenant/add/", **{**form, "schema_name": "acme", "hosts": "acme.localhost"})
    )
    assert "already" in said
    assert "Taken already: acme.localhost" in said


@pytest.fixture(scope="module")
def made(owner_env: dict[str, str], database: None) -> Made:
    """What the maintenance worker answers when it is asked for tenants, by whom may and by whom may not."""
    asker = str(somebody(platform_role="platform_admin").user.pk)
    stranger = str(somebody(platform_role="platform_support").user.pk)
    slug, other = (f"made_{secrets.token_hex(4)}" for _ in range(2))
    calls = [(slug, asker), (slug, asker), (other, stranger)]
    script = "\n".join(
        ["import django", "django.setup()", "from tenants.tasks import create_tenant"]
        + [
            f"print(create_tenant('{s}', 'Made', 'standard', ['{s[5:]}.localhost'], '{a}', 'req-7'))"
            for s, a in calls
        ]
    )
    env = {**owner_env, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return Made(slug, other, asker, done.stdout.split())


def test_tenant__asked_for_twice__is_created_once(made: Made) -> None:
    assert made.answers[:2] == ["created", "exists"]
    event = last_event(PLATFORM_CHAIN, made.slug)
    assert (event.action, event.actor) == ("tenant.created", made.asker)
    assert "req-7" in event.body


def test_tenant__whoever_asked_may_not__is_not_created_and_said_so(made: Made, owner: httpx.Client) -> None:
    assert made.answers[2] == "permission_denied"
    assert not Tenant.objects.filter(schema_name=made.refused).exists()
    assert made.refused in owner.get("/admin/tenants/tenant/").text


def test_member__last_administrator__stays(made: Made, owner: httpx.Client) -> None:
    tenant = Tenant.objects.get(schema_name=made.slug)
    member = somebody(tenant.values(), "owner").member
    somebody(tenant.values(), "dev")
    assert member is not None
    answer = post(owner, f"tenants/membership/{member.pk}/change/", role="viewer")
    assert "at least one owner" in errors(answer)
    answer = post(owner, f"tenants/membership/{member.pk}/deactivate/", reason="Left")
    assert "at least one owner" in errors(answer)
    member.refresh_from_db()
    assert (member.role, member.is_active) == ("owner", True)


def test_person__password__is_generated_and_shown_once(owner: httpx.Client) -> None:
    email = f"{secrets.token_hex(6)}@people.example"
    form = {"email": email, "name": "New", "platform_role": "", "password1": "short", "password2": "other"}
    assert "not the same" in errors(post(owner, "tenants/user/add/", **form))
    assert "too short" in errors(post(owner, "tenants/user/add/", **{**form, "password2": "short"}))
    answer = post(owner, "tenants/user/add/", **{**form, "password1": "", "password2": ""})
    assert "no-store" in answer.headers["cache-control"]
    shown = re.search(r'id="secret"[^>]*value="([^"]+)"', answer.text)
    assert shown is not None
    user = User.objects.get(email=email)
    assert user.check_password(html.unescape(shown[1]))
    assert shown[1] not in owner.get(f"/admin/tenants/user/{user.pk}/change/").text


def test_person__deactivated__is_refused_everywhere_within_a_second(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    person = somebody(tenants["acme"], "dev")
    _, key = key_of(tenants["acme"], person.user)
    with with_key(portal, "acme", key) as client:
        assert client.get("/agents").status_code == 200
        assert post(owner, f"tenants/user/{person.user.pk}/deactivate/", reason="Left").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 401, 1.0, "the deactivation")
    assert "Left" in last_event(PLATFORM_CHAIN, str(person.user.pk)).body


def test_member__added_changed_and_deactivated__by_the_services(
    owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    tenant, person = tenants["acme"], somebody()
    form = {"email": "nobody@nowhere.example", "tenant": str(tenant.id), "role": "viewer"}
    assert "no person with this e-mail" in errors(post(owner, "tenants/membership/add/", **form))
    form["email"] = person.email
    assert post(owner, "tenants/membership/add/", **form).status_code == 302
    member = Membership.objects.get(user=person.user)
    assert "member already" in errors(post(owner, "tenants/membership/add/", **form))
    assert post(owner, f"tenants/membership/{member.pk}/change/", role="dev").status_code == 302
    assert post(owner, f"tenants/membership/{member.pk}/deactivate/", reason="Left").status_code == 302
    member.refresh_from_db()
    assert (member.role, member.is_active) == ("dev", False)
    assert "Left" in last_event(tenant.id, str(person.user.pk)).body


def test_key__created__is_shown_once_works_and_ends(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    person = somebody(tenants["acme"], "dev")
    form = {
        "name": "Build",
        "owner": person.email,
        "tenant": "",
        "scopes": ["platform:read"],
        "lifetime": "30",
    }
    assert "choose the tenant" in errors(post(owner, "tenants/apikey/add/", **form))
    form["tenant"] = str(tenants["acme"].id)
    assert "for keys of the platform" in errors(post(owner, "tenants/apikey/add/", **form))
    answer = post(owner, "tenants/apikey/add/", **{**form, "scopes": ["agents:read"]})
    shown = re.search(r'id="secret"[^>]*value="(qk_[^"]+)"', answer.text)
    assert shown is not None, errors(answer)
    key = ApiKey.objects.get(owner=person.user)
    secret = shown[1].rsplit("_", 1)[1]
    assert secret not in owner.get(f"/admin/tenants/apikey/{key.pk}/change/").text
    with with_key(portal, "acme", shown[1]) as client:
        assert client.get("/agents").status_code == 200
        assert post(owner, f"tenants/apikey/{key.pk}/revoke/", reason="Leaked").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 401, 1.0, "the revocation")

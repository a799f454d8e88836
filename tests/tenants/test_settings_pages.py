"""Settings: what a role may not do is neither listed nor done, and what is done goes through the services."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx2 as httpx
import pytest

from qualisys import roles, tenancy
from tenants.models import ApiKey, Membership
from tests import pages
from tests.people import Somebody, key_of, somebody
from tests.portal import Portal, wait_for
from tests.signin import release_brake, send

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]

OWN = {"Profile", "Security", "Sessions"}
MANAGED = {"Agents", "Limits", "Health", "Usage", "Members", "API keys"}
LISTED = {
    "owner": OWN | MANAGED | {"Sign-in"},
    "admin": OWN | MANAGED,
    "qa_automation": OWN | {"Health", "Usage"},
}
PATHS = {
    "Profile": "profile/", "Security": "security/", "Sessions": "sessions/", "Agents": "agents/",
    "Usage": "usage/", "Limits": "limits/", "Health": "health/", "Members": "members/",
    "API keys": "keys/", "Sign-in": "sign-in/",
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_brake() -> None:
    release_brake()


def signed_in(portal: Portal, tenants: Tenants, role: str, slug: str = "spare_2") -> Any:
    person = somebody(tenants[slug], role)
    return pages.signed_in(portal, slug, person.email, person.password)


def listed(client: httpx.Client) -> set[str]:
    page = client.get("/settings/profile/").text
    nav = re.search(r'<nav class="settings-nav".*?</nav>', page, re.S)
    assert nav is not None
    return {
        html.unescape(re.sub("<[^>]+>", "", each)).strip() for each in re.findall(r"<a .*?</a>", nav[0], re.S)
    }


def member(person: Somebody) -> Membership:
    with tenancy.use(tenancy.platform("tests")):
        return Membership.objects.get(user=person.user)


@pytest.mark.parametrize("role", roles.ROLES)
def test_role__sees_and_opens_exactly_its_pages(portal: Portal, tenants: Tenants, role: str) -> None:
    with signed_in(portal, tenants, role) as client:
        admitted = {
            title for title, path in PATHS.items() if client.get(f"/settings/{path}").status_code == 200
        }
        refused = {
            client.get(f"/settings/{path}").status_code
            for title, path in PATHS.items()
            if title not in admitted
        }
        assert listed(client) == admitted == LISTED.get(role, OWN)
        assert refused <= {403}


@pytest.mark.parametrize("role", ["qa_automation", "viewer", "client_stakeholder"])
def test_role__writing_what_it_does_not_see__forbidden(portal: Portal, tenants: Tenants, role: str) -> None:
    other = somebody(tenants["spare_2"])
    key, _ = key_of(tenants["spare_2"], other.user)
    assert other.member is not None
    writes: dict[str, dict[str, str]] = {
        f"members/{other.member.pk}/": {"role": "viewer"},
        f"members/{other.member.pk}/deactivate/": {},
        "keys/new/": {"name": "mine", "lifetime": "30"},
        f"keys/{key.pk}/revoke/": {},
        f"keys/{key.pk}/rotate/": {"overlap": "0"},
        "limits/": {"daily_tokens": "5"},
        "limits/baconsultant/": {"daily_tokens": "5"},
        "sign-in/": {"issuer": "https://x.example"},
        "sign-in/remove/": {},
    }
    with signed_in(portal, tenants, role) as client:
        answers = {
            path: send(client, f"/settings/{path}", **form).status_code for path, form in writes.items()
        }
    assert answers == dict.fromkeys(writes, 403)
    assert (member(other).role, member(other).is_active) == ("dev", True)


def test_administrator__sign_in_settings__are_the_owners(portal: Portal, tenants: Tenants) -> None:
    with signed_in(portal, tenants, "admin") as client:
        assert send(client, "/settings/sign-in/", issuer="https://x.example").status_code == 403


def test_member_or_key_of_another_organisation__is_not_found(portal: Portal, tenants: Tenants) -> None:
    foreign = somebody(tenants["globex"])
    key, _ = key_of(tenants["globex"], foreign.user)
    assert foreign.member is not None
    with signed_in(portal, tenants, "owner") as client:
        for path in (
            f"members/{foreign.member.pk}/",
            f"members/{foreign.member.pk}/deactivate/",
            f"keys/{key.pk}/revoke/",
        ):
            assert client.get(f"/settings/{path}").status_code == 404
            assert send(client, f"/settings/{path}", role="viewer").status_code == 404
    assert (member(foreign).role, member(foreign).is_active) == ("dev", True)


@pytest.mark.parametrize("step", ["", "deactivate/"])
def test_administrator__an_owner__is_out_of_reach(portal: Portal, tenants: Tenants, step: str) -> None:
    owner = somebody(tenants["spare_2"], "owner")
    assert owner.member is not None
    with signed_in(portal, tenants, "admin") as client:
        answer = send(client, f"/settings/members/{owner.member.pk}/{step}", role="viewer")
    assert answer.status_code == 403
    assert "Only an owner" in answer.text
    assert (member(owner).role, member(owner).is_active) == ("owner", True)


def test_owner__deactivating_themself__refused(portal: Portal, tenants: Tenants) -> None:
    owner = somebody(tenants["spare_2"], "owner")
    assert owner.member is not None
    with pages.signed_in(portal, "spare_2", owner.email, owner.password) as client:
        answer = send(client, f"/settings/members/{owner.member.pk}/deactivate/")
        assert answer.status_code == 409
        assert "cannot deactivate yourself" in answer.text


def test_deactivate__bites_and_can_be_undone(portal: Portal, tenants: Tenants) -> None:
    other = somebody(tenants["spare_2"])
    assert other.member is not None
    with (
        signed_in(portal, tenants, "admin") as client,
        pages.signed_in(portal, "spare_2", other.email, other.password) as theirs,
    ):
        assert "within a second" in client.get(f"/settings/members/{other.member.pk}/deactivate/").text
        answer = send(client, f"/settings/members/{other.member.pk}/deactivate/")
        wait_for(lambda: theirs.get("/").status_code == 302, 3, "the refusal")
        page = client.get(answer.headers["Location"]).text
        assert f"/settings/members/{other.member.pk}/reactivate/" in page
        assert send(client, f"/settings/members/{other.member.pk}/reactivate/").status_code == 302
        assert "is deactivated" not in client.get(answer.headers["Location"]).text
    assert member(other).is_active


def test_role__changed_on_the_page__holds_at_once(portal: Portal, tenants: Tenants) -> None:
    other = somebody(tenants["spare_2"])
    assert other.member is not None
    with (
        signed_in(portal, tenants, "admin") as client,
        pages.signed_in(portal, "spare_2", other.email, other.password) as theirs,
    ):
        assert theirs.get("/settings/members/").status_code == 403
        assert send(client, f"/settings/members/{other.member.pk}/", role="admin").status_code == 302
        wait_for(lambda: theirs.get("/settings/members/").status_code == 200, 3, "the new role")


def test_members__are_found_by_name_and_address(portal: Portal, tenants: Tenants) -> None:
    other = somebody(tenants["spare_2"], name="Zora Findable")
    with signed_in(portal, tenants, "admin") as client:
        assert other.email in client.get("/settings/members/?q=findable").text
        assert "Nobody matches" in client.get("/settings/members/?q=nobodyatall").text
        assert client.get("/settings/members/?q=%00").status_code == 422


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "lifetime": "30"},
        {"name": "x" * 101, "lifetime": "30"},
        {"name": "x", "lifetime": "31"},
        {"name": "x", "lifetime": "30", "scopes": "platform:write"},
        {"name": "x", "lifetime": "30", "scopes": "everything"},
    ],
)
def test_new_key__refused__says_so_beside_the_field(
    portal: Portal, tenants: Tenants, form: dict[str, str]
) -> None:
    with signed_in(portal, tenants, "admin") as client:
        answer = send(client, "/settings/keys/new/", **form)
    assert answer.status_code == 422
    assert "field-error" in answer.text


def test_key__is_shown_once_works_and_ends(portal: Portal, tenants: Tenants) -> None:
    with signed_in(portal, tenants, "admin") as client:
        form = {"name": "Build server", "lifetime": "30", "scopes": "agents:read"}
        shown = send(client, "/settings/keys/new/", **form)
        text = re.search(r'value="(qk_[^"]+)"', shown.text)[1]  # type: ignore[index]
        assert "no-store" in shown.headers["Cache-Control"]
        listing = client.get("/settings/keys/").text
        assert text not in listing
        assert "See agents and their metrics" in listing
        with portal.client("spare_2", None) as api:
            api.headers["X-API-Key"] = text
            assert api.get("/agents").status_code == 200
            assert api.get("/runs").status_code == 403, "beyond its scopes"
            with tenancy.use(tenants["spare_2"]):
                key = ApiKey.objects.get(prefix=text.split("_")[2])
            rotated = send(client, f"/settings/keys/{key.pk}/rotate/", overlap="1")
            new = re.search(r'value="(qk_[^"]+)"', rotated.text)[1]  # type: ignore[index]
            assert [api.get("/agents", headers={"X-API-Key": each}).status_code for each in (text, new)] == [
                200,
                200,
            ]
            assert send(client, f"/settings/keys/{key.pk}/revoke/").status_code == 302
            wait_for(lambda: api.get("/agents").status_code == 401, 3, "the revocation")


def test_profile__name__is_changed_everywhere_it_shows(portal: Portal, tenants: Tenants) -> None:
    with signed_in(portal, tenants, "viewer") as client:
        assert send(client, "/settings/profile/", name="").status_code == 422
        assert send(client, "/settings/profile/", name="<b>Vera</b>").status_code == 302
        wait_for(lambda: "&lt;b&gt;Vera&lt;/b&gt;" in client.get("/").text, 3, "the new name")


def test_platform_person__has_settings_of_their_own_and_no_organisations(portal: Portal) -> None:
    person = somebody(platform_role="platform_support")
    with pages.signed_in(portal, None, person.email, person.password) as client:
        assert listed(client) == OWN
        assert client.get("/settings/members/").status_code == 404
        assert client.get("/settings/security/").status_code == 200


def test_agent__whether_another_model_may_answer__is_chosen_in_its_form(
    portal: Portal, tenants: Tenants
) -> None:
    agent_id = portal.register(fallbacks=[{"provider": "vllm", "model": "stand-in"}])
    path = f"/settings/agents/{agent_id}/"
    with signed_in(portal, tenants, "owner") as client:
        shown = client.get(path).text
        assert "may another model answer when the agent" in html.unescape(shown).lower()
        assert "vllm stand-in" in shown, "what the platform has chosen"
        assert send(client, path, fallbacks="perhaps").status_code == 422
        assert send(client, path, fallbacks="any").status_code == 302
        assert '<option value="any" selected>' in client.get(path).text
        assert send(client, path).status_code == 302, "a form from before the choice"
        assert '<option value="same_provider" selected>' in client.get(path).text

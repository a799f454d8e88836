"""Sessions and keys: seen by their person, ended within a second, rotated with an overlap, noted when used."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import httpx2 as httpx
import pytest
from django.utils import timezone

from qualisys import tenancy
from qualisys.problems import Problem
from tenants import api_keys, members, seen
from tenants.identity import Identity
from tenants.models import ApiKey, Session
from tenants.signin import open_sessions
from tests import pages
from tests.people import SYSTEM, Somebody, key_of, somebody
from tests.portal import Portal, wait_for
from tests.signin import release_brake, send

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def no_brake() -> None:
    release_brake()


@pytest.fixture
def person(tenants: Tenants) -> Somebody:
    return somebody(tenants["acme"], "admin")


def names(client: httpx.Client) -> list[str]:
    return re.findall(r"/settings/sessions/(\w{24})/end/", client.get("/settings/sessions/").text)


def row(key: ApiKey) -> ApiKey:
    with tenancy.use(tenancy.platform("tests")):
        return ApiKey.objects.get(pk=key.pk)


def acting(person: Somebody, tenant: tenancy.Tenant) -> Identity:
    from tenants.directory import load_person

    standing = load_person((str(tenant.id), person.user.pk))
    assert standing is not None
    return Identity(standing, tenant, "session", "")


def test_session_of_somebody_else__is_not_found(portal: Portal, tenants: Tenants, person: Somebody) -> None:
    other = somebody(tenants["acme"])
    with (
        pages.signed_in(portal, "acme", person.email, person.password) as mine,
        pages.signed_in(portal, "acme", other.email, other.password) as theirs,
    ):
        theirs.get("/")
        key = theirs.cookies["sessionid"]
        name = open_sessions._name(key)
        assert send(mine, f"/settings/sessions/{name}/end/").status_code == 404
        assert theirs.get("/").status_code == 200
        assert key not in mine.get("/settings/sessions/").text


def test_sessions__are_listed_with_device_address_and_times(portal: Portal, person: Somebody) -> None:
    with pages.browser(portal) as client:
        client.headers["User-Agent"] = FIREFOX
        pages.sign_in(client, person.email, person.password)
        portal.signed_in(person.email, person.password, "acme")
        page = client.get("/settings/sessions/").text
        assert client.cookies["sessionid"] not in page
    assert "Firefox on Linux" in page
    assert "127.0.0.1" in page
    assert page.count("This one") == 1
    assert page.count("API token") >= 1


def test_end_one__refused_everywhere_within_a_second(portal: Portal, person: Somebody) -> None:
    webs = [portal.web(), portal.web(1)]
    with (
        pages.signed_in(portal, "acme", person.email, person.password) as mine,
        pages.signed_in(portal, "acme", person.email, person.password) as thief,
    ):
        assert thief.get("/api/v1/agents").status_code == 200
        elsewhere = httpx.Client(base_url=f"http://127.0.0.1:{webs[1].port}", headers=dict(thief.headers))
        elsewhere.cookies.update(thief.cookies)
        assert elsewhere.get("/api/v1/agents").status_code == 200
        (name,) = names(mine)
        assert send(mine, f"/settings/sessions/{name}/end/").status_code == 302
        took = wait_for(
            lambda: {each.get("/api/v1/agents").status_code for each in (thief, elsewhere)} == {401},
            3,
            "the end",
        )
        print(f"a session ended on a page is refused everywhere after {took * 1000:.0f} ms")
        assert thief.get("/").status_code == 302
        assert mine.get("/").status_code == 200


def test_end_others__keeps_this_one_and_ends_tokens_too(portal: Portal, person: Somebody) -> None:
    token = portal.signed_in(person.email, person.password, "acme")
    with (
        pages.signed_in(portal, "acme", person.email, person.password) as mine,
        pages.signed_in(portal, "acme", person.email, person.password) as other,
        portal.client("acme", None, Authorization=f"Bearer {token['access']}") as api,
    ):
        assert send(mine, "/settings/sessions/others/end/").status_code == 302
        wait_for(lambda: api.get("/agents").status_code == 401, 3, "the token to be refused")
        assert api.post("/auth/refresh", json={"refresh": token["refresh"]}).status_code == 401
        assert other.get("/").status_code == 302
        assert mine.get("/").status_code == 200
        assert names(mine) == []


def test_sessions__of_other_organisations__are_not_touched(portal: Portal, tenants: Tenants) -> None:
    both = somebody(tenants["acme"])
    with tenancy.use(tenancy.platform("tests")):
        members.add_member(actor=SYSTEM, tenant_id=tenants["globex"].id, user=both.user, role="dev")
    with (
        pages.signed_in(portal, "acme", both.email, both.password) as here,
        pages.signed_in(portal, "globex", both.email, both.password) as there,
    ):
        assert names(here) == []
        send(here, "/settings/sessions/others/end/")
        assert there.get("/").status_code == 200


def test_deactivated_member__has_no_session_to_come_back_to(portal: Portal, person: Somebody) -> None:
    pair = portal.signed_in(person.email, person.password, "acme")
    with tenancy.use(tenancy.platform("tests")):
        for is_active in (False, True):
            members.change_member(actor=SYSTEM, member=person.member, is_active=is_active)  # type: ignore[arg-type]
    with portal.client("acme", None) as client:
        assert client.post("/auth/refresh", json={"refresh": pair["refresh"]}).status_code == 401


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/140.0 Safari/537 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604", "Safari on iPhone"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown device"),
        ("<script>", "Unknown device"),
    ],
)  # fmt: skip
def test_device__is_named_as_people_know_it(agent: str, device: str) -> None:
    assert open_sessions.device(agent) == device


async def test_seen__is_written_beside_the_requests_and_once(tenants: Tenants) -> None:
    from asgiref.sync import sync_to_async

    person = await sync_to_async(somebody)(tenants["acme"])
    key, _ = await sync_to_async(key_of)(tenants["acme"], person.user)
    person_here = (await sync_to_async(acting)(person, tenants["acme"])).person
    identity = Identity(person_here, tenants["acme"], "key", key.prefix)
    seen.note(identity)
    assert (await sync_to_async(row)(key)).last_used_at is None
    await seen.flush()
    used = (await sync_to_async(row)(key)).last_used_at
    assert used is not None
    assert abs((timezone.now() - used).total_seconds()) < 5
    await seen.flush()
    assert (await sync_to_async(row)(key)).last_used_at == used


async def test_seen__costs_next_to_nothing(tenants: Tenants) -> None:
    from tenants.identity import Person

    identity = Identity(Person(tenants["acme"].id, "", "", "dev", ""), tenants["acme"], "key", "costs")
    began = time.perf_counter()
    for _ in range(10_000):
        seen.note(identity)
    took = (time.perf_counter() - began) / 10_000
    seen._used["key"].clear()
    print(f"noting a use takes {took * 1e6:.2f} µs")
    assert took < 20e-6


def test_session_row__keeps_when_it_began(portal: Portal, tenants: Tenants, person: Somebody) -> None:
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        send(client, "/settings/profile/", name="Another Name")
        key = client.cookies["sessionid"]
    with tenancy.use(tenants["acme"]):
        kept = Session.objects.get(session_key=key)
    assert kept.created_at is not None
    assert (kept.method, kept.address) == ("password", "127.0.0.1")


@pytest.mark.parametrize("state", ["revoked", "expired", "rotated"])
def test_rotate__a_key_that_ended_or_was_rotated__refused(tenants: Tenants, state: str) -> None:
    key, _ = key_of(tenants["acme"], somebody(tenants["acme"]).user)
    with tenancy.use(tenancy.platform("tests")):
        if state == "revoked":
            api_keys.revoke_api_key(actor=SYSTEM, key=key)
        elif state == "rotated":
            api_keys.rotate_api_key(actor=SYSTEM, key=key)
        else:
            ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
        with pytest.raises(Problem, match="conflict"):
            api_keys.rotate_api_key(actor=SYSTEM, key=key)


@pytest.mark.parametrize("hours", [-1, 169])
def test_rotate__an_overlap_beyond_a_week__refused(tenants: Tenants, hours: int) -> None:
    key, _ = key_of(tenants["acme"], somebody(tenants["acme"]).user)
    with tenancy.use(tenancy.platform("tests")), pytest.raises(Problem, match="validation_error"):
        api_keys.rotate_api_key(actor=SYSTEM, key=key, overlap_hours=hours)


def test_key_of_somebody_else__is_neither_created_nor_rotated(tenants: Tenants, person: Somebody) -> None:
    owner = somebody(tenants["acme"], "owner")
    key, _ = key_of(tenants["acme"], owner.user)
    actor = acting(person, tenants["acme"])
    with tenancy.use(tenants["acme"]):
        with pytest.raises(Problem, match="permission_denied"):
            api_keys.rotate_api_key(actor=actor, key=key)
        with pytest.raises(Problem, match="permission_denied"):
            api_keys.create_api_key(
                actor=actor, tenant_id=tenants["acme"].id, owner=owner.user, name="not mine"
            )
        assert api_keys.revoke_api_key(actor=actor, key=key).revoked_at is not None


def test_rotate__both_work_until_the_old_one_ends(portal: Portal, tenants: Tenants) -> None:
    key, old = key_of(tenants["acme"], somebody(tenants["acme"]).user, scopes=["agents:read"])
    with tenancy.use(tenancy.platform("tests")):
        fresh, new = api_keys.rotate_api_key(actor=SYSTEM, key=key, overlap_hours=1)
    assert (fresh.name, fresh.scopes, fresh.owner_id) == (key.name, key.scopes, key.owner_id)
    kept = row(key)
    assert kept.successor == fresh.prefix
    assert kept.expires_at is not None
    assert timedelta(minutes=59) < kept.expires_at - timezone.now() <= timedelta(hours=1)
    with portal.client("acme", None) as client:
        for text in (old, new):
            assert client.get("/agents", headers={"X-API-Key": text}).status_code == 200


def test_rotate__without_overlap__the_old_one_is_refused_at_once(portal: Portal, tenants: Tenants) -> None:
    key, old = key_of(tenants["acme"], somebody(tenants["acme"]).user)
    with portal.client("acme", None) as client:
        assert client.get("/agents", headers={"X-API-Key": old}).status_code == 200
        with tenancy.use(tenancy.platform("tests")):
            api_keys.rotate_api_key(actor=SYSTEM, key=key, overlap_hours=0)
        wait_for(
            lambda: client.get("/agents", headers={"X-API-Key": old}).status_code == 401, 3, "the refusal"
        )

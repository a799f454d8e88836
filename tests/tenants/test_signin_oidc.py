"""The organisation's own provider: what it says is verified, whom it vouches for comes in here and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import override_settings

from qualisys import tenancy
from qualisys.problems import Problem
from tenants import members
from tenants.models import Membership, User
from tenants.signin import oidc, provider
from tenants.signin.models import ExternalIdentity, IdentityProvider
from tests import openid, pages
from tests.connections import as_platform, column
from tests.people import SYSTEM, Somebody, key_of, somebody
from tests.portal import Portal, wait_for
from tests.signin import release_brake, send

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
HOME = "spare_1"


@pytest.fixture(autouse=True)
def no_brake() -> None:
    release_brake()


@pytest.fixture
def idp(tenants: Tenants) -> Iterator[openid.Provider]:
    """A provider that the organisation uses, and that offers newcomers the role of a viewer."""
    with openid.running() as running:
        use(tenants, running)
        yield running
    with tenancy.use(tenants[HOME]):
        IdentityProvider.objects.all().delete()


def use(tenants: Tenants, idp: openid.Provider, **changes: Any) -> None:
    wanted = {
        "issuer": idp.issuer, "client_id": openid.CLIENT, "client_secret": openid.SECRET,
        "domains": ("people.example",), "default_role": "viewer", **changes,
    }  # fmt: skip
    with tenancy.use(tenants[HOME]):
        provider.save(actor=SYSTEM, wanted=provider.Wanted(**wanted))


def vouched(email: str, **claims: Any) -> dict[str, Any]:
    return {"sub": uuid4().hex, "email": email, "email_verified": True, "name": "Pat Provided", **claims}


def sent_away(client: httpx.Client, next_: str = "/") -> str:
    """Leave for the provider, let it consent, and return the path that it sends the browser back to."""
    answer = client.get(f"/sign-in/provider/?next={next_}")
    assert answer.status_code == 302, answer.text
    location = httpx.get(answer.headers["Location"]).headers["Location"]
    return location[location.index("/sign-in/provider/back/") :]


def came_in(portal: Portal, tenant: str = HOME) -> httpx.Response:
    with pages.browser(portal, tenant) as client:
        return client.get(sent_away(client))


def member(tenants: Tenants, email: str) -> str | None:
    with tenancy.use(tenants[HOME]):
        found = Membership.objects.filter(user__email=email).first()
    return found.role if found else None


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "another audience": {"aud": "another-client"},
    "several audiences without azp": {"aud": [openid.CLIENT, "another-client"]},
    "another authorized party": {"azp": "another-client"},
    "expired": {"exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "another nonce": {"nonce": "from another sign-in"},
    "no nonce": {"nonce": None},
    "unverified address": {"email_verified": False},
    "address nobody vouches for": {"email_verified": None},
    "no address": {"email": ""},
    "foreign domain": {"email": "pat@elsewhere.example"},
    "domain that only looks like it": {"email": "pat@evilpeople.example"},
    "domain below it": {"email": "pat@sub.people.example"},
}


@pytest.mark.parametrize("lie", LIES)
def test_token__that_does_not_hold__lets_nobody_in(
    portal: Portal, tenants: Tenants, idp: openid.Provider, lie: str
) -> None:
    email = f"{uuid4().hex[:8]}@people.example"
    idp.person, idp.bent = vouched(email), LIES[lie]
    answer = came_in(portal)
    assert answer.status_code == 401
    assert "sessionid" not in answer.cookies
    assert member(tenants, email) is None


@pytest.mark.parametrize("forged", ["none", "HS256", "another key"])
def test_token__forged__lets_nobody_in(portal: Portal, idp: openid.Provider, forged: str) -> None:
    idp.person = vouched(f"{uuid4().hex[:8]}@people.example")
    if forged == "another key":
        idp.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        idp.algorithm = forged
        idp.signs_with = idp.keys()["keys"][0]["n"]
    answer = came_in(portal)
    assert answer.status_code == 401


def test_answer__with_another_state__refused(portal: Portal, idp: openid.Provider) -> None:
    idp.person = vouched(f"{uuid4().hex[:8]}@people.example")
    with pages.browser(portal, HOME) as client:
        path = sent_away(client)
        assert client.get(path[:-4] + "AAAA").status_code == 401
        assert client.get(path.split("&state")[0]).status_code == 401


def test_answer__in_another_browser__refused(portal: Portal, idp: openid.Provider) -> None:
    idp.person = vouched(f"{uuid4().hex[:8]}@people.example")
    with pages.browser(portal, HOME) as mine, pages.browser(portal, HOME) as victim:
        path = sent_away(mine)
        assert victim.get(path).status_code == 401, "without a sign-in of its own"
        sent_away(victim)
        assert victim.get(path).status_code == 401, "nor with one"


def test_code__of_another_sign_in__refused(portal: Portal, idp: openid.Provider) -> None:
    """A code that was stolen from somebody else's redirect fits neither verifier nor nonce."""
    idp.person = vouched(f"{uuid4().hex[:8]}@people.example")
    with pages.browser(portal, HOME) as mine, pages.browser(portal, HOME) as thief:
        stolen = sent_away(mine).split("code=")[1].split("&")[0]
        own = sent_away(thief)
        answer = thief.get(own.replace(own.split("code=")[1].split("&")[0], stolen))
    assert answer.status_code == 401


def test_provider__that_redirects_or_talks_too_much__refused(portal: Portal, idp: openid.Provider) -> None:
    with openid.running() as other, pages.browser(portal, HOME) as client:
        idp.redirects_to = other.issuer
        assert client.get("/sign-in/provider/").status_code == 401
        assert other.asked == []
        idp.redirects_to, idp.large = "", True
        assert client.get("/sign-in/provider/").status_code == 401
        idp.large, idp.bent = False, {"described": "https://elsewhere.example"}
        assert client.get("/sign-in/provider/").status_code == 401


def test_person__with_an_account_elsewhere__is_not_taken_over(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    foreign = somebody(tenants["globex"])
    idp.person = vouched(foreign.email)
    answer = came_in(portal)
    assert answer.status_code == 401
    assert "not a member here" in answer.text
    assert member(tenants, foreign.email) is None


def test_person__deactivated_here__stays_out(portal: Portal, tenants: Tenants, idp: openid.Provider) -> None:
    gone = somebody(tenants[HOME])
    idp.person = vouched(gone.email)
    assert came_in(portal).status_code == 302
    with tenancy.use(tenancy.platform("tests")):
        members.change_member(actor=SYSTEM, member=gone.member, is_active=False)  # type: ignore[arg-type]
    assert came_in(portal).status_code == 401


def test_newcomer__where_nobody_new_is_admitted__refused_alike(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    use(tenants, idp, default_role="")
    idp.person = vouched(f"{uuid4().hex[:8]}@people.example")
    assert "not a member here" in came_in(portal).text


def test_organisation_without_a_provider__has_no_such_door(portal: Portal) -> None:
    with pages.browser(portal, "acme") as client:
        assert client.get("/sign-in/provider/").status_code == 404
        assert client.get("/sign-in/provider/back/?code=x&state=y").status_code == 404


def test_newcomer__becomes_a_member_and_lands_where_they_wanted(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    email = f"{uuid4().hex[:8]}@People.Example"
    idp.person = vouched(email)
    with pages.browser(portal, HOME) as client:
        answer = client.get(sent_away(client, "/runs/"))
        assert (answer.status_code, answer.headers["Location"]) == (302, "/runs/")
        assert "Pat Provided" in client.get("/").text
    assert member(tenants, email.lower()) == "viewer"
    with tenancy.use(tenancy.platform("tests")):
        assert not User.objects.get(email=email.lower()).has_usable_password()


def test_known_subject__with_another_address__is_who_they_were(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    person = somebody(tenants[HOME])
    idp.person = vouched(person.email)
    assert came_in(portal).status_code == 302
    idp.person["email"] = f"{uuid4().hex[:8]}@people.example"
    with pages.browser(portal, HOME) as client:
        client.get(sent_away(client))
        assert person.email in client.get("/settings/profile/").text
    with tenancy.use(tenants[HOME]):
        assert ExternalIdentity.objects.filter(user=person.user).count() == 1


def test_session__vouched_for_by_the_provider__does_not_change_the_account(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    person = somebody(tenants[HOME])
    idp.person = vouched(person.email)
    with pages.browser(portal, HOME) as client:
        client.get(sent_away(client))
        for path in ("password/", "authenticator/", "recovery-codes/", "passkeys/options/"):
            answer = send(client, f"/settings/security/{path}")
            assert answer.status_code == 403, path
            assert "own password" in answer.text
        assert send(client, "/settings/profile/", name="Mallory").status_code == 403


def test_demanded__passwords_are_refused_at_every_door_but_owners(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    people = {role: somebody(tenants[HOME], role) for role in ("owner", "admin", "dev")}
    use(tenants, idp, is_required=True)
    for role, person in people.items():
        body = {"email": person.email, "password": person.password, "tenant": HOME}
        with portal.client(None, None) as api, pages.browser(portal, HOME) as client:
            release_brake()
            expected = (200, 302) if role == "owner" else (403, 403)
            answer = api.post("/auth/token", json=body)
            page = pages.sign_in(client, person.email, person.password)
            assert (answer.status_code, page.status_code) == expected
            if role != "owner":
                assert "its own provider" in answer.json()["detail"]
                assert "its own provider" in page.text
            wrong = api.post("/auth/token", json={**body, "password": "wrong"})
            assert wrong.json()["code"] == "not_authenticated", "nobody learns who an owner is"


def test_demanded__ends_what_passwords_had_opened_but_owners(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    """Within a second, in browsers and for programs; who came through the provider and API keys go on."""
    people = {role: somebody(tenants[HOME], role) for role in ("owner", "admin", "dev")}
    through = somebody(tenants[HOME])
    idp.person = vouched(through.email)
    key = key_of(tenants[HOME], people["dev"].user)[1]
    with ExitStack() as stack:
        clients = {role: stack.enter_context(pages.browser(portal, HOME)) for role in (*people, "through")}
        tokens = {}
        for role, person in people.items():
            release_brake()
            assert pages.sign_in(clients[role], person.email, person.password).status_code == 302
            tokens[role] = portal.signed_in(person.email, person.password, HOME)["access"]
        clients["through"].get(sent_away(clients["through"]))

        def inside() -> set[str]:
            found = {role for role, client in clients.items() if client.get("/").status_code == 200}
            with portal.client(HOME, None) as api:
                shown = {
                    f"token of {role}": {"Authorization": f"Bearer {each}"} for role, each in tokens.items()
                }
                shown["key"] = {"X-API-Key": key}
                answers = {who: api.get("/agents", headers=each).status_code for who, each in shown.items()}
            return found | {who for who, status in answers.items() if status == 200}

        assert inside() == {*people, "through", "key", *(f"token of {role}" for role in people)}
        use(tenants, idp, is_required=True)
        kept = {"owner", "token of owner", "through", "key"}
        wait_for(lambda: inside() == kept, 3, "the end of what passwords had opened")


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "no issuer": ({"issuer": ""}, "address"),
    "nobody there": ({"issuer": "http://127.0.0.1:1"}, "does not answer"),
    "no http": ({"issuer": "file:///etc/passwd"}, "does not begin with"),
    "credentials in it": ({"issuer": "http://a:b@127.0.0.1"}, "names no host"),
    "no client": ({"client_id": ""}, "client id"),
    "no domain": ({"domains": ""}, "at least one domain"),
    "not a domain": ({"domains": "people.example, *"}, "is not a domain"),
    "owners by default": ({"default_role": "owner"}, "valid choice"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_settings__refused__says_so_beside_the_field(
    portal: Portal, tenants: Tenants, idp: openid.Provider, case: str
) -> None:
    change, said = FIELDS[case]
    owner = somebody(tenants[HOME], "owner")
    form = {
        "issuer": idp.issuer, "client_id": "c", "client_secret": "s", "domains": "people.example",
        "default_role": "viewer", **change,
    }  # fmt: skip
    with pages.signed_in(portal, HOME, owner.email, owner.password) as client:
        answer = send(client, "/settings/sign-in/", **form)
    assert answer.status_code == 422
    assert said in answer.text
    assert "field-error" in answer.text


def test_settings__another_issuer_with_the_old_secret__refused(
    portal: Portal, tenants: Tenants, idp: openid.Provider
) -> None:
    """Else whoever may write the address could have the secret sent to a server of their own."""
    with openid.running() as other, pytest.raises(Problem) as refused:
        use(tenants, idp, issuer=other.issuer, client_secret="")
    assert refused.value.errors[0]["field"] == "client_secret"


def test_secret__is_shown_nowhere(portal: Portal, tenants: Tenants, idp: openid.Provider) -> None:
    owner: Somebody = somebody(tenants[HOME], "owner")
    with pages.signed_in(portal, HOME, owner.email, owner.password) as client:
        page = client.get("/settings/sign-in/").text
    assert idp.issuer in page
    assert openid.SECRET not in page
    with as_platform() as connection:
        (sealed,) = column(
            connection,
            "SELECT client_secret FROM tenants_identityprovider WHERE tenant_id = %s",
            tenants[HOME].id,
        )
        bodies = column(connection, "SELECT body FROM audit_event WHERE object_type = 'identity_provider'")
    assert openid.SECRET.encode() not in bytes(sealed)
    assert not any(openid.SECRET in body or bytes(sealed).decode() in body for body in bodies)


@pytest.mark.parametrize(
    "address",
    [
        "http://login.example", "https://127.0.0.1", "https://[::1]", "https://[::ffff:10.0.0.1]", "https://10.1.2.3",
        "https://169.254.169.254", "https://0.0.0.0", "https://100.64.0.1",
    ],
)  # fmt: skip
@override_settings(SECURE_TRANSPORT=True)
def test_address__inside_the_installations_network__refused(address: str) -> None:
    with pytest.raises(Problem, match="not_authenticated"):
        oidc.check_address(address)


@override_settings(SECURE_TRANSPORT=True)
async def test_name__that_leads_inside__refused_at_the_connection(idp: openid.Provider) -> None:
    with pytest.raises(Problem, match=r"private network|does not answer"):
        await oidc.discover(idp.issuer.replace("http://127.0.0.1", "https://localhost"))
    assert idp.asked.count("/.well-known/openid-configuration") == 1, "the one of the settings"

"""Passkeys over HTTP: whatever is sent instead of a browser's answer is refused; real ones are in the browser tests."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from qualisys import tenancy
from tests import pages
from tests.people import somebody
from tests.portal import Portal
from tests.signin import code, let_age, release_brake, with_factor

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]


@pytest.fixture(autouse=True)
def no_brake() -> None:
    release_brake()


def posted(client: httpx.Client, path: str, body: Any) -> httpx.Response:
    if "csrftoken" not in client.cookies:
        client.get("/sign-in/")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-CSRFToken": client.cookies["csrftoken"], "Content-Type": "application/json"}
    return client.post(path, content=content, headers=headers)


def coded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def answer_to(challenge: str, **changes: Any) -> dict[str, Any]:
    """An answer that no authenticator gave."""
    client_data = {"type": "webauthn.get", "challenge": challenge, "origin": "http://acme.localhost"}
    response = {
        "clientDataJSON": coded(json.dumps(client_data).encode()), "authenticatorData": coded(b"\0" * 37),
        "signature": coded(b"signed"), "userHandle": coded(uuid4().bytes),
    }  # fmt: skip
    name = coded(b"unknown credential")
    return {"id": name, "rawId": name, "type": "public-key", "response": response, **changes}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", {}, {"credential": None}, {"credential": "x"}, {"credential": {}},
        {"credential": {"response": "x"}}, {"credential": {"response": {}}},
        {"credential": {"response": {"clientDataJSON": 5}}},
        {"credential": {"response": {"clientDataJSON": "%%%"}}},
        {"credential": answer_to("never asked")},
        {"credential": answer_to("never asked", rawId=None)},
    ],
    ids=lambda body: str(body)[:60],
)  # fmt: skip
def test_enter__with_anything_else__refused(portal: Portal, body: Any) -> None:
    with pages.browser(portal) as client:
        answer = posted(client, "/sign-in/passkey/", body)
    assert answer.status_code in (401, 422), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "sessionid" not in answer.cookies


def test_enter__unknown_credential__uses_the_challenge_up(portal: Portal) -> None:
    with pages.browser(portal) as client:
        challenge = posted(client, "/sign-in/passkey/options/", {}).json()["challenge"]
        for _ in range(2):
            answer = posted(client, "/sign-in/passkey/", {"credential": answer_to(challenge)})
            assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_options__name_the_host_and_demand_that_the_person_is_checked(portal: Portal) -> None:
    with pages.browser(portal) as client:
        options = posted(client, "/sign-in/passkey/options/", {}).json()
    assert (options["rpId"], options["userVerification"]) == ("acme.localhost", "required")
    assert options.get("allowCredentials", []) == [], "nobody learns who has one"


def test_enter__without_the_csrf_token__refused(portal: Portal) -> None:
    with pages.browser(portal) as client:
        assert client.post("/sign-in/passkey/", json={"credential": answer_to("x")}).status_code == 403


def test_register__anonymous__led_to_the_sign_in(portal: Portal) -> None:
    with pages.browser(portal) as client:
        for path in ("/settings/security/passkeys/", "/settings/security/passkeys/options/"):
            assert posted(client, path, {}).status_code == 302


@pytest.mark.parametrize(
    "said", [{}, {"password": ""}, {"password": 5}, {"password": "wrong"}, [], b"{"], ids=str
)
def test_options__of_an_old_session_without_the_password__refused(
    portal: Portal, tenants: Tenants, said: Any
) -> None:
    """Whoever finds a browser open makes no way in of their own."""
    person = somebody(tenants["acme"])
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        let_age(client.cookies["sessionid"], tenants["acme"], 11)
        answer = posted(client, "/settings/security/passkeys/options/", said)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
        body = {"credential": answer_to("x"), "name": "Mine"}
        late = posted(client, "/settings/security/passkeys/", body)
        assert (late.status_code, late.json()["code"]) == (403, "permission_denied")
        assert "Your password" in client.get("/settings/security/").text


def test_options__of_an_old_session_with_a_second_factor__take_the_code_too(
    portal: Portal, tenants: Tenants
) -> None:
    person = somebody(tenants["acme"])
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        secret, _ = with_factor(person.user.pk)
        let_age(client.cookies["sessionid"], tenants["acme"], 11)
        path, right = "/settings/security/passkeys/options/", {"password": person.password}
        answers = [
            posted(client, path, {**right, **otp}) for otp in ({}, {"otp": "000000"}, {"otp": code(secret)})
        ]
        assert [answer.status_code for answer in answers] == [422, 401, 200]
        assert posted(client, path, {}).status_code == 200, "and is not asked again for a while"
        assert "Your password" not in client.get("/settings/security/").text


def test_options__of_a_session_of_nine_minutes__ask_nothing(portal: Portal, tenants: Tenants) -> None:
    person = somebody(tenants["acme"])
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        let_age(client.cookies["sessionid"], tenants["acme"], 9)
        assert posted(client, "/settings/security/passkeys/options/", {}).status_code == 200


@pytest.mark.parametrize("name", ["", " ", "x" * 101])
def test_register__without_a_name__refused(portal: Portal, tenants: Tenants, name: str) -> None:
    person = somebody(tenants["acme"])
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        body = {"credential": answer_to("x"), "name": name}
        answer = posted(client, "/settings/security/passkeys/", body)
    assert answer.json()["errors"][0]["field"] == "name"


def test_register__a_made_up_answer__refused(portal: Portal, tenants: Tenants) -> None:
    person = somebody(tenants["acme"])
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        options = posted(client, "/settings/security/passkeys/options/", {}).json()
        assert options["authenticatorSelection"]["userVerification"] == "required"
        body = {"credential": answer_to(options["challenge"]), "name": "Made up"}
        answer = posted(client, "/settings/security/passkeys/", body)
        assert answer.status_code == 422
        assert "Made up" not in client.get("/settings/security/").text


def test_remove__somebody_elses__not_found(portal: Portal, tenants: Tenants) -> None:
    person = somebody(tenants["acme"])
    with pages.signed_in(portal, "acme", person.email, person.password) as client:
        assert client.get(f"/settings/security/passkeys/{uuid4()}/remove/").status_code == 404

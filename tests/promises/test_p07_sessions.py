"""Keys that hold only whole, renewal that works once, and signing keys that rotate."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from qualisys import tenancy
from tenants import tokens
from tests.people import key_of, somebody
from tests.portal import Portal

#: The id of nobody and nothing; fixed, since it is part of the tests' names.
NOBODY = "5b1f0e5c-0c3e-4c1b-9a57-0d3c2f6b7a10"

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]


def test_key__attacked__refused(portal: Portal, tenants: Tenants) -> None:
    """P07: a key holds for one tenant and only whole."""
    text = key_of(tenants["acme"], somebody(tenants["acme"]).user)[1]
    _, tenant, prefix, secret = text.split("_")
    wrong = [
        f"qk_{tenants['globex'].id.hex}_{prefix}_{secret}", f"qk_platform_{prefix}_{secret}",
        f"qk_{tenant}_{prefix}_{'a' * len(secret)}", f"qk_{tenant}_{prefix}_{secret[:-1]}", f"qk_{tenant}_{prefix}_",
        f"qk_{tenant}__{secret}", f"qk_{tenant}_%_{secret}", f"qk_{tenant}_{prefix}_{secret}_x", "qk", "qk___", "x",
        f"QK_{tenant}_{prefix}_{secret}", "q" * 5_000, "qk_{}_{}_{}".format("0" * 32, prefix, secret),
    ]  # fmt: skip
    with portal.client("acme", None) as client:
        for name, form in (("X-API-Key", "{}"), ("Authorization", "Bearer {}")):
            answers = [client.get("/agents", headers={name: form.format(key)}).status_code for key in wrong]
            assert answers == [401] * len(wrong)
            assert client.get("/agents", headers={name: form.format(text)}).status_code == 200
        assert client.get("/agents", headers={"Authorization": f"Basic {text}"}).status_code == 401


def test_refresh__used_twice__ends_the_session(portal: Portal, tenants: Tenants) -> None:
    """P07: reuse means theft, so the thief's token and the owner's are both worthless."""
    person = somebody(tenants["acme"])
    first = portal.signed_in(person.email, person.password, "acme")
    with portal.client("acme", None) as client:
        second = client.post("/auth/refresh", json={"refresh": first["refresh"]}).json()
        with_second = {"Authorization": f"Bearer {second['access']}"}
        assert client.get("/agents", headers=with_second).status_code == 200
        reused = client.post("/auth/refresh", json={"refresh": first["refresh"]})
        assert (reused.status_code, reused.json()["code"]) == (401, "not_authenticated")
        assert client.post("/auth/refresh", json={"refresh": second["refresh"]}).status_code == 401
        time.sleep(1)
        assert client.get("/agents", headers=with_second).status_code == 401


def test_refresh__sixteen_times_at_once__renews_at_most_once(portal: Portal, tenants: Tenants) -> None:
    """P07: one use each, also when they arrive together."""
    person = somebody(tenants["acme"])
    token = portal.signed_in(person.email, person.password, "acme")["refresh"]

    def renew(_: int) -> int:
        with portal.client("acme", None) as client:
            return client.post("/auth/refresh", json={"refresh": token}).status_code

    with ThreadPoolExecutor(16) as together:
        answers = sorted(together.map(renew, range(16)))
    assert answers == [200] + [401] * 15


@pytest.mark.parametrize(
    "refresh", ["", "x", "a.b.c", "platform.x.y", f"{NOBODY}.{NOBODY}.x", f"platform.{NOBODY}.\xe9"]
)
def test_refresh__malformed__refused(portal: Portal, refresh: str) -> None:
    """P07: what was never a refresh token."""
    with portal.client("acme", None) as client:
        answer = client.post("/auth/refresh", json={"refresh": refresh})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_signing_key__rotated__old_tokens_hold_and_new_ones_name_the_new_key(
    portal: Portal, tenants: Tenants
) -> None:
    """P07: rotation ends no session."""
    person = somebody(tenants["acme"])
    old = portal.signed_in(person.email, person.password, "acme")["access"]
    with tenancy.use(tenancy.platform("tests")):
        rotated = tokens.rotate_signing_key()
    new = portal.signed_in(person.email, person.password, "acme")["access"]
    assert jwt.get_unverified_header(new)["kid"] == rotated.kid != jwt.get_unverified_header(old)["kid"]
    for token in (old, new):
        with portal.client("acme", None, Authorization=f"Bearer {token}") as client:
            assert client.get("/agents").status_code == 200

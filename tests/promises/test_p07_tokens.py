"""Tokens that must not work, renewal that works once, and keys that rotate."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from qualisys import secretbox, tenancy
from tenants.models import SigningKey
from tests.people import somebody
from tests.portal import Portal

pytestmark = pytest.mark.promise
Tenants = dict[str, tenancy.Tenant]
Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forge:
    """A real token's claims, with the real key to sign others: what an attacker has at best, and more."""

    token: str
    claims: Claims
    kid: str
    private: Ed25519PrivateKey
    pair: dict[str, Any]

    def signed(self, drop: str = "", **changes: Any) -> str:
        """Return a token signed with the real key, with claims changed or dropped."""
        claims = {k: v for k, v in {**self.claims, **changes}.items() if k != drop}
        return jwt.encode(claims, self.private, algorithm="EdDSA", headers={"kid": self.kid})

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@pytest.fixture(scope="module")
def forge(portal: Portal, tenants: Tenants) -> Forge:
    person = somebody(tenants["acme"], "dev")
    pair = portal.signed_in(person.email, person.password, "acme")
    kid = jwt.get_unverified_header(pair["access"])["kid"]
    with tenancy.use(tenancy.platform("tests")):
        sealed = bytes(SigningKey.objects.get(kid=kid).private)
    private = Ed25519PrivateKey.from_private_bytes(secretbox.unseal(sealed))
    claims = jwt.decode(pair["access"], options={"verify_signature": False})
    return Forge(pair["access"], claims, kid, private, pair)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def unsigned(forge: Forge, algorithm: str) -> str:
    return f"{encoded({'alg': algorithm, 'typ': 'JWT', 'kid': forge.kid})}.{encoded(forge.claims)}."


def hmac_with(forge: Forge, secret: bytes, algorithm: str = "HS256") -> str:
    return jwt.encode(forge.claims, secret, algorithm=algorithm, headers={"kid": forge.kid})


def tampered(forge: Forge, **changes: Any) -> str:
    """The real signature under other claims."""
    head, _, signature = forge.token.split(".")
    return f"{head}.{encoded({**forge.claims, **changes})}.{signature}"


def of_own_key(forge: Forge, kid: str) -> str:
    return jwt.encode(forge.claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})


def in_header(forge: Forge) -> str:
    """The attacker's own public key, offered inside the token."""
    own = Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key()))
    headers = {"kid": "mine", "jwk": jwk, "jku": "http://127.0.0.1:1/keys"}
    return jwt.encode(forge.claims, own, algorithm="EdDSA", headers=headers)


NOW = int(time.time())
PAST, FUTURE = NOW - 3600, NOW + 3600

ATTACKS: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda f: unsigned(f, "none"),
    "alg None": lambda f: unsigned(f, "None"),
    "alg EdDSA without a signature": lambda f: unsigned(f, "EdDSA"),
    "HS256 with the public key": lambda f: hmac_with(f, f.public),
    "HS256 with the public key in hex": lambda f: hmac_with(f, f.public.hex().encode()),
    "HS512 with the public key": lambda f: hmac_with(f, f.public, "HS512"),
    "HS256 with a NUL": lambda f: hmac_with(f, b"\0"),
    "another key under the real kid": lambda f: of_own_key(f, f.kid),
    "another key under its own kid": lambda f: of_own_key(f, "0123456789abcdef"),
    "a kid that is a path": lambda f: of_own_key(f, "../../dev/null"),
    "a kid with SQL": lambda f: of_own_key(f, "' OR 1=1 --"),
    "a key inside the token": in_header,
    "claims changed after signing": lambda f: tampered(f, role="owner"),
    "tenant changed after signing": lambda f: tampered(f, tenant_id=None),
    "wrong audience": lambda f: f.signed(aud="another-api"),
    "no audience": lambda f: f.signed(drop="aud"),
    "wrong issuer": lambda f: f.signed(iss="somebody"),
    "no issuer": lambda f: f.signed(drop="iss"),
    "type refresh": lambda f: f.signed(typ="refresh"),
    "no type": lambda f: f.signed(drop="typ"),
    "expired": lambda f: f.signed(exp=PAST),
    "expired a moment ago": lambda f: f.signed(exp=int(time.time()) - 1),
    "never expires": lambda f: f.signed(drop="exp"),
    "expiry that is no number": lambda f: f.signed(exp="tomorrow"),
    "not yet valid": lambda f: f.signed(nbf=FUTURE),
    "issued in the future": lambda f: f.signed(iat=FUTURE, exp=FUTURE + 900),
    "no subject": lambda f: f.signed(drop="sub"),
    "a subject that is no id": lambda f: f.signed(sub="admin"),
    "somebody else": lambda f: f.signed(sub=str(uuid4())),
    "no session": lambda f: f.signed(drop="sid"),
    "a session of nobody": lambda f: f.signed(sid=str(uuid4())),
    "no token id": lambda f: f.signed(drop="jti"),
    "no tenant claim": lambda f: f.signed(drop="tenant_id"),
    "a tenant that is none": lambda f: f.signed(tenant_id=str(uuid4())),
    "a tenant that is no id": lambda f: f.signed(tenant_id="../acme"),
    "the platform": lambda f: f.signed(tenant_id=None),
    "the platform, by an empty text": lambda f: f.signed(tenant_id=""),
    "a refresh token": lambda f: str(f.pair["refresh"]),
    "a single letter": lambda f: "x",
    "two parts": lambda f: ".".join(f.token.split(".")[:2]),
    "four parts": lambda f: f.token + ".x",
    "no base64": lambda f: "a.b.c",
    "a header that is a list": lambda f: f"{encoded([])}.{encoded(f.claims)}.x",
    "claims that are a list": lambda f: jwt.api_jws.encode(b"[]", f.private, "EdDSA", {"kid": f.kid}),
    "ten thousand characters": lambda f: "a" * 10_000,
    "dots": lambda f: "." * 2_000,
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("host", ["acme", None])
def test_token__forged_or_out_of_place__refused(
    portal: Portal, forge: Forge, attack: str, host: str | None
) -> None:
    """P07: 401, whatever exactly is wrong with it, on the tenant's host and on the platform's."""
    with portal.client(host, None, Authorization=f"Bearer {ATTACKS[attack](forge)}") as client:
        answers = [client.get("/agents"), client.get("/admin/agents")]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"not_authenticated"}


def test_token__as_it_was_issued__accepted(portal: Portal, forge: Forge) -> None:
    """P07: the token that the attacks were made from works, so they can fail; re-signed it works too."""
    for token in (forge.token, forge.signed()):
        with portal.client("acme", None, Authorization=f"Bearer {token}") as client:
            assert client.get("/agents").status_code == 200
            assert client.get("/admin/agents").status_code == 403


def test_token__of_another_tenant_by_its_claim__refused(
    portal: Portal, tenants: Tenants, forge: Forge
) -> None:
    """P07: even signed by us, a claim for a tenant in which the session did not begin opens nothing."""
    token = forge.signed(tenant_id=str(tenants["globex"].id))
    for host in ("globex", "acme", None):
        with portal.client(host, None, Authorization=f"Bearer {token}") as client:
            assert client.get("/agents").status_code in (401, 403)


@pytest.mark.parametrize(("of", "host"), [("acme", "globex"), (None, "acme")])
def test_token__on_another_host__refused(portal: Portal, of: str | None, host: str) -> None:
    """P07: host, token and membership must agree; the platform's token is a stranger on a tenant's host."""
    token = portal.token(of, "owner")["access"]
    with portal.client(host, None, Authorization=f"Bearer {token}") as client:
        answer = client.get("/agents")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_token__used_while_valid__refused_the_moment_it_expires(portal: Portal, forge: Forge) -> None:
    """P07: what a process remembers of a token does not outlive it."""
    token = forge.signed(exp=int(time.time()) + 3)
    with portal.client("acme", None, Authorization=f"Bearer {token}") as client:
        assert client.get("/agents").status_code == 200
        time.sleep(3.1)
        assert client.get("/agents").status_code == 401

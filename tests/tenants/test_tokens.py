"""Signing keys at the end of their life, and refresh tokens on the wire. Forged tokens are P07's."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.utils import timezone

from qualisys import redis as qredis
from qualisys import secretbox, tenancy
from qualisys.database.threads import in_thread
from qualisys.problems import Problem
from tenants import tokens
from tenants.models import SigningKey

pytestmark = pytest.mark.usefixtures("database")


def signing_key(retired_seconds_ago: float) -> tuple[str, Ed25519PrivateKey]:
    private, kid = Ed25519PrivateKey.generate(), uuid4().hex[:16]
    retired = timezone.now() - timedelta(seconds=retired_seconds_ago)
    raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    with tenancy.use(tenancy.platform("tests")):
        SigningKey.objects.create(kid=kid, private=secretbox.seal(raw), public=public, retired_at=retired)
    return kid, private


def signed(kid: str, private: Ed25519PrivateKey) -> str:
    now = int(time.time())
    claims = {
        "iss": tokens.ISSUER, "aud": tokens.AUDIENCE, "typ": "access", "sub": str(uuid4()), "tenant_id": None,
        "sid": str(uuid4()), "jti": "x", "iat": now, "exp": now + 60,
    }  # fmt: skip
    return jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": kid})


async def test_key__retired_longer_than_a_token_lives__verifies_nothing() -> None:
    token = signed(*await in_thread(signing_key, tokens.ACCESS_SECONDS + 5))
    with pytest.raises(Problem, match="not_authenticated"):
        await tokens.verify(token)
    await qredis.close()


@pytest.mark.parametrize("ago", [5, tokens.ACCESS_SECONDS - 60])
async def test_key__retired_a_while_ago__still_verifies_what_it_signed(ago: float) -> None:
    claims = await tokens.verify(signed(*await in_thread(signing_key, ago)))
    assert (claims.tenant_id, round(claims.expires - time.time(), -1)) == ("", 60)
    await qredis.close()


def test_private_half__is_sealed_at_rest() -> None:
    with tenancy.use(tenancy.platform("tests")):
        row = tokens.rotate_signing_key()
    assert len(secretbox.unseal(bytes(row.private))) == 32
    assert secretbox.unseal(bytes(row.private)) not in bytes(row.private)
    assert str(row) == row.kid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "platform.6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11",
        "6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11.x.y",
        "x.6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11.y",
        "..",
        "....",
        "\x00.\x00.\x00",
    ],
)
def test_split_refresh__not_a_refresh_token__refused(text: str) -> None:
    with pytest.raises(Problem, match="not_authenticated"):
        tokens.split_refresh(text)


def test_split_refresh__of_tenant_and_platform__names_them() -> None:
    tenant, family = uuid4(), uuid4()
    assert tokens.split_refresh(f"{tenant}.{family}.secret") == (str(tenant), family, "secret")
    assert tokens.split_refresh(f"platform.{family}.secret") == ("", family, "secret")

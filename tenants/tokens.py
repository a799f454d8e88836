"""Access tokens (EdDSA JWT, 15 minutes) and the refresh tokens that renew them, one use each."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from qualisys import cache, secretbox, tenancy
from qualisys.cache import Cached
from qualisys.events import emit
from qualisys.problems import Problem
from tenants.models import SigningKey, TokenFamily

ISSUER = "qualisys"
AUDIENCE = "qualisys-api"
ACCESS_SECONDS = 15 * 60
REFRESH_DAYS = 30


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says; `tenant_id` is "" on the platform, `expires` in seconds since 1970."""

    user_id: UUID
    tenant_id: str
    family: UUID
    expires: float


@dataclass(frozen=True, slots=True)
class Pair:
    """What a sign-in or a refresh hands out."""

    access: str
    refresh: str
    expires_in: int = ACCESS_SECONDS


def _load_public(kid: str) -> Ed25519PublicKey | None:
    with tenancy.use(tenancy.platform("verify a token")):
        row = SigningKey.objects.filter(kid=kid).first()
    if row is None or (
        row.retired_at and row.retired_at < timezone.now() - timedelta(seconds=ACCESS_SECONDS)
    ):
        return None
    return Ed25519PublicKey.from_public_bytes(bytes(row.public))


public_keys: Cached[str, Ed25519PublicKey | None] = Cached(_load_public, topics=lambda _: (cache.PLATFORM,))


def rotate_signing_key() -> SigningKey:
    """Start signing with a new key; tokens of the old one stay valid until they expire."""
    private = Ed25519PrivateKey.generate()
    raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    with transaction.atomic():
        SigningKey.objects.filter(retired_at__isnull=True).update(retired_at=timezone.now())
        row = SigningKey.objects.create(
            kid=secrets.token_hex(8),
            private=secretbox.seal(raw),
            public=private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
        )
        transaction.on_commit(lambda: cache.bump_quietly(cache.PLATFORM))
    return row


@lru_cache(maxsize=4)
def _private(kid: str, sealed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secretbox.unseal(sealed))


def _signing_key() -> tuple[str, Ed25519PrivateKey]:
    with tenancy.use(tenancy.platform("sign a token")):
        row = SigningKey.objects.filter(retired_at__isnull=True).first() or rotate_signing_key()
    return row.kid, _private(row.kid, bytes(row.private))


def issue(
    *, user_id: UUID, tenant_id: UUID | None, role: str, address: str = "", user_agent: str = ""
) -> Pair:
    """Start a token family for a person in a tenant (None: on the platform), who came from `address`."""
    family = TokenFamily(
        user_id=user_id, tenant_id=tenant_id, expires_at=timezone.now() + timedelta(days=REFRESH_DAYS),
        address=address, user_agent=user_agent,
    )  # fmt: skip
    secret = secrets.token_urlsafe(32)
    family.current_hash = _hash(secret)
    family.save(force_insert=True)
    return _pair(family, secret, role)


def refresh(*, family: TokenFamily, secret: str, role: str) -> Pair:
    """Renew a locked family; a secret that was used before revokes it and raises `not_authenticated`."""
    if not hmac.compare_digest(family.current_hash, _hash(secret)):
        revoke(family)
        raise Problem(
            "not_authenticated", "This refresh token was used before. Its session is ended; sign in again."
        )
    fresh = secrets.token_urlsafe(32)
    family.current_hash = _hash(fresh)
    family.save(update_fields=["current_hash", "rotated_at"])
    return _pair(family, fresh, role)


def revoke(family: TokenFamily) -> None:
    """End a family: its access tokens are refused everywhere within a second."""
    family.revoked_at = timezone.now()
    family.save(update_fields=["revoked_at"])
    topic = str(family.tenant_id or cache.PLATFORM)
    emit("cache.stale", {"topic": topic}, tenant_id=family.tenant_id)
    transaction.on_commit(lambda: cache.bump_quietly(topic))


def split_refresh(text: str) -> tuple[str, UUID, str]:
    """Return (tenant id or "", family, secret) of a refresh token; raise `not_authenticated`."""
    try:
        tenant, family, secret = text.split(".")
        return (str(UUID(tenant)) if tenant != "platform" else ""), UUID(family), secret
    except ValueError as error:
        raise Problem("not_authenticated", "This is not a refresh token. Sign in again.") from error


async def verify(token: str) -> Claims:
    """Return the claims of an access token; raise `not_authenticated` for any other text."""
    refused = Problem(
        "not_authenticated", "The token is not valid or has expired. Refresh it or sign in again."
    )
    try:
        kid = jwt.get_unverified_header(token).get("kid", "")
        key = await public_keys.get(str(kid)[:32])
        if key is None:
            raise refused
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "sub", "jti", "iss", "aud"]},
        )
        if claims.get("typ") != "access" or "tenant_id" not in claims:
            raise refused
        family = UUID(claims["sid"])
        return Claims(UUID(claims["sub"]), str(claims["tenant_id"] or ""), family, float(claims["exp"]))
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refused from error


def _pair(family: TokenFamily, secret: str, role: str) -> Pair:
    now = int(timezone.now().timestamp())
    kid, key = _signing_key()
    tenant_id = str(family.tenant_id) if family.tenant_id else None
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "typ": "access",
        "sub": str(family.user_id),
        "tenant_id": tenant_id,
        "role": role,
        "sid": str(family.pk),
        "jti": uuid4().hex,
        "iat": now,
        "exp": now + ACCESS_SECONDS,
    }
    access = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})
    return Pair(access, f"{tenant_id or 'platform'}.{family.pk}.{secret}")


def _hash(secret: str) -> str:
    return sha256(settings.SECRET_KEY.encode() + b"refresh:" + secret.encode()).hexdigest()

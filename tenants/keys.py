"""API keys on the wire: `qk_<tenant>_<prefix>_<secret>`, the tenant named before anything is looked up.

The secret is 256 random bits; what is stored is its hash keyed by SECRET_KEY, so a stolen table opens nothing.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from uuid import UUID

from django.conf import settings

_PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a presented key says: `tenant_id` is "" for a platform key."""

    tenant_id: str
    prefix: str
    secret: str


def generate(tenant_id: UUID | None) -> tuple[str, str, str]:
    """Return a new key as (text to show once, prefix, hash to store)."""
    prefix = secrets.token_hex(6)
    secret = base64.b32encode(secrets.token_bytes(32)).decode().rstrip("=").lower()
    owner = tenant_id.hex if tenant_id else _PLATFORM
    return f"qk_{owner}_{prefix}_{secret}", prefix, digest(secret)


def digest(secret: str) -> str:
    """Return the keyed hash (hex) under which a secret is stored."""
    return blake2b(secret.encode(), digest_size=32, key=_hashing_key(settings.SECRET_KEY)).hexdigest()


@lru_cache(maxsize=4)
def _hashing_key(secret_key: str) -> bytes:
    return sha256(b"api-key:" + secret_key.encode()).digest()


@lru_cache(maxsize=4096)
def parse(text: str) -> KeyParts | None:
    """Return the parts of a presented key, or None where it is not one."""
    parts = text.split("_")
    if len(parts) != 4 or parts[0] != "qk" or not text.isascii() or len(text) > 200:
        return None
    if parts[1] == _PLATFORM:
        return KeyParts("", parts[2], parts[3])
    try:
        return KeyParts(str(UUID(hex=parts[1])), parts[2], parts[3])
    except ValueError:
        return None


def matches(stored: str, secret: str) -> bool:
    """Compare a presented secret with a stored hash in constant time."""
    return hmac.compare_digest(stored, digest(secret))

"""Secrets at rest, sealed under a key derived from SECRET_KEY."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


@cache
def _box() -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"qualisys sealed secrets").derive(
        settings.SECRET_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))


def seal(secret: bytes) -> bytes:
    """Return `secret` encrypted and authenticated."""
    return _box().encrypt(secret)


def unseal(sealed: bytes) -> bytes:
    """Return the secret; raise cryptography's InvalidToken if SECRET_KEY is another one."""
    return _box().decrypt(sealed)

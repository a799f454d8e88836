"""API keys on the wire."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

import pytest

from tenants import keys


@pytest.mark.parametrize(
    "text",
    ["", "qk", "qk_", "qk___", "qk_x_y_z", "qk_platform_a", "qk_platform_a_b_c", "pk_platform_a_b", "QK_platform_a_b",
     f"qk_{'0' * 31}_a_b", f"qk_{'g' * 32}_a_b", "qk_platform_é_b", "qk_platform_a_" + "b" * 200],
)  # fmt: skip
def test_parse__not_a_key__is_none(text: str) -> None:
    assert keys.parse(text) is None


@pytest.mark.parametrize("tenant_id", [None, uuid4()])
def test_generate__and_parse__agree_and_the_hash_matches(tenant_id: UUID | None) -> None:
    text, prefix, stored = keys.generate(tenant_id)
    parts = keys.parse(text)
    assert parts is not None
    assert (parts.tenant_id, parts.prefix) == (str(tenant_id) if tenant_id else "", prefix)
    assert keys.matches(stored, parts.secret)
    assert not keys.matches(stored, parts.secret[:-1])
    assert parts.secret not in stored


def test_generate__carries_256_random_bits() -> None:
    secrets = {keys.parse(keys.generate(None)[0]).secret for _ in range(200)}  # type: ignore[union-attr]
    assert len(secrets) == 200
    assert {len(base64.b32decode(secret.upper() + "====")) for secret in secrets} == {32}

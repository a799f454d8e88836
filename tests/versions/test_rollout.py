"""Which version a tenant gets: pure, so every rule is a line."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.portal import ROOT
from versions import semver
from versions.rollout import BUCKETS, Version, bucket, covers, resolve, stable

TENANT = UUID("6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11")

#: Computed with sha256sum and shell arithmetic, not with this code.
GOLDEN = [
    ("baconsultant", "1.1.0", "00000000-0000-0000-0000-000000000001", 9649),
    ("baconsultant", "1.1.0", "6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11", 9943),
    ("baconsultant", "1.2.0", "6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11", 1138),
    ("logreader", "1.1.0", "6f1c1e0e-8d1c-4a43-9a39-2d8f2f9c2b11", 1321),
    ("release-notes", "10.20.30", "ffffffff-ffff-ffff-ffff-ffffffffffff", 148),
]


def version(number: str, share: int = 100, status: str = "active", agent: str = "logreader") -> Version:
    return Version(agent, semver.parse(number), "", {}, "", status, share)


def chosen(*versions: Version, pinned: str | None = None, tenant: UUID = TENANT) -> tuple[str, str] | None:
    found = resolve(sorted(versions, key=lambda each: each.number, reverse=True), tenant, pinned)
    return (str(found[0].number), found[1]) if found else None


@pytest.mark.parametrize(("agent", "number", "tenant", "expected"), GOLDEN)
def test_bucket__golden_vector__never_changes(agent: str, number: str, tenant: str, expected: int) -> None:
    assert bucket(agent, number, UUID(tenant)) == expected


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_bucket__in_another_process_with_another_hash_seed__is_the_same(seed: str) -> None:
    call = f"bucket('logreader', '1.1.0', UUID('{TENANT}'))"
    script = f"from uuid import UUID; from versions.rollout import bucket; print({call})"
    env = {"PYTHONHASHSEED": seed, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == bucket("logreader", "1.1.0", TENANT)


def test_buckets__of_many_tenants__are_spread_evenly() -> None:
    tenths = Counter(bucket("logreader", "1.1.0", UUID(int=n)) * 10 // BUCKETS for n in range(20_000))
    chi_square = sum((tenths[tenth] - 2_000) ** 2 / 2_000 for tenth in range(10))
    assert chi_square < 27.9, "p < .001 with 9 degrees of freedom"


@given(st.uuids(), st.integers(0, 100), st.integers(0, 100))
def test_covers__a_larger_share__loses_nobody(tenant: UUID, one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert covers(version("1.1.0", large), tenant) or not covers(version("1.1.0", small), tenant)


@given(st.uuids())
def test_covers__nobody_at_0_and_everybody_at_100(tenant: UUID) -> None:
    assert not covers(version("1.1.0", 0), tenant)
    assert covers(version("1.1.0", 100), tenant)


def test_resolve__no_version_or_none_usable__is_none() -> None:
    assert chosen() is None
    assert chosen(version("1.0.0", status="retired"), version("1.1.0", status="deprecated")) is None
    assert chosen(version("1.0.0", share=0)) is None


def test_resolve__one_at_100__is_stable() -> None:
    assert chosen(version("1.0.0")) == ("1.0.0", "stable")


def test_resolve__newest_at_100__wins_by_number_not_by_text() -> None:
    assert chosen(version("1.9.0"), version("1.10.0")) == ("1.10.0", "stable")


def test_resolve__rollout_that_covers__wins_over_stable() -> None:
    covered, outside = version("1.1.0", 14), version("1.1.0", 13)
    assert bucket("logreader", "1.1.0", TENANT) == 1321
    assert chosen(version("1.0.0"), covered) == ("1.1.0", "rollout")
    assert chosen(version("1.0.0"), outside) == ("1.0.0", "stable")


def test_resolve__rollout_below_a_newer_stable__is_never_reached() -> None:
    assert chosen(version("1.0.0"), version("1.1.0", 99), version("1.2.0")) == ("1.2.0", "stable")


def test_resolve__two_rollouts__each_is_asked_for_itself() -> None:
    assert chosen(version("1.0.0"), version("1.1.0", 14), version("1.2.0", 0)) == ("1.1.0", "rollout")


@pytest.mark.parametrize("status", ["deprecated", "retired"])
def test_resolve__not_active__serves_nobody_without_a_pin(status: str) -> None:
    assert chosen(version("1.0.0"), version("1.1.0", 100, status)) == ("1.0.0", "stable")


@pytest.mark.parametrize("status", ["active", "deprecated"])
def test_resolve__pin__holds_whatever_the_rollout(status: str) -> None:
    assert chosen(version("1.0.0"), version("1.1.0", 0, status), pinned="1.1.0") == ("1.1.0", "pin")
    assert chosen(version("1.0.0", 100, status), version("1.1.0"), pinned="1.0.0") == ("1.0.0", "pin")


@pytest.mark.parametrize("pinned", ["1.1.0", "9.9.9", "", "x"])
def test_resolve__pin_to_a_retired_or_missing_version__falls_through(pinned: str) -> None:
    assert chosen(version("1.0.0"), version("1.1.0", 100, "retired"), pinned=pinned) == ("1.0.0", "stable")


def test_stable__is_the_newest_active_one_at_100() -> None:
    versions = [version("1.3.0", 99), version("1.2.0", 100, "retired"), version("1.1.0"), version("1.0.0")]
    assert str(stable(versions).number) == "1.1.0"  # type: ignore[union-attr]
    assert stable([version("1.0.0", 50)]) is None

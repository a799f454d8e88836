"""Version numbers: three parts, ordered as numbers."""

from __future__ import annotations

import pytest

from versions import semver
from versions.semver import SemVer


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.0-beta", "1.0.x", "01.0.0", "1.00.0", "-1.0.0", "1.0.0 ", "1.0.0\n",
     "1.0.9999999", "\uff11.0.0", "1,0,0"],
)  # fmt: skip
def test_parse__not_three_plain_numbers__refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a version"):
        semver.parse(text)


@pytest.mark.parametrize("text", ["0.0.0", "1.0.0", "10.20.30", "999999.999999.999999"])
def test_parse__and_back__is_the_same(text: str) -> None:
    assert str(semver.parse(text)) == text


def test_order__is_of_numbers_and_not_of_text() -> None:
    texts = ["1.10.0", "1.9.0", "2.0.0", "1.9.10", "1.9.9", "10.0.0"]
    assert [str(v) for v in sorted(map(semver.parse, texts))] == [
        "1.9.0", "1.9.9", "1.9.10", "1.10.0", "2.0.0", "10.0.0",
    ]  # fmt: skip


def test_bump__raises_one_part_and_clears_the_rest() -> None:
    number = SemVer(1, 2, 3)
    assert (number.bump("major"), number.bump("minor"), number.bump("patch")) == (
        SemVer(2, 0, 0), SemVer(1, 3, 0), SemVer(1, 2, 4),
    )  # fmt: skip

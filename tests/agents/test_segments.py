"""Locked segments of a prompt."""

from __future__ import annotations

import pytest

from agents import definitions, segments
from agents.segments import Segment
from qualisys.problems import Problem


@pytest.mark.parametrize(
    "prompt",
    ["[[locked]]no end", "no begin[[/locked]]", "[[locked]][[locked]]x[[/locked]]", "[[/locked]]x[[locked]]"],
)
def test_split__marks_that_are_no_pairs__refused(prompt: str) -> None:
    with pytest.raises(ValueError, match="locked"):
        segments.split(prompt)
    with pytest.raises(Problem) as caught:
        definitions.parse_prompt({"system_prompt": prompt})
    assert caught.value.errors
    assert caught.value.errors[0]["field"] == "system_prompt"


def test_split__marks_on_lines_of_their_own__leave_no_trace() -> None:
    prompt = "Write.\n[[locked]]\nNever invent.\n[[/locked]]\nBe short.\n"
    assert segments.split(prompt) == (
        Segment("Write.\n", False), Segment("Never invent.\n", True), Segment("Be short.\n", False),
    )  # fmt: skip
    assert segments.plain(prompt) == "Write.\nNever invent.\nBe short.\n"


@pytest.mark.parametrize("prompt", ["", "Plain words.", "[locked] is not a mark", "[[Locked]]"])
def test_split__without_marks__is_the_prompt(prompt: str) -> None:
    assert "".join(segment.text for segment in segments.split(prompt)) == prompt == segments.plain(prompt)


def test_prompt__of_nothing_but_marks__is_blank() -> None:
    with pytest.raises(Problem, match="validation_error"):
        definitions.parse_prompt({"system_prompt": "[[locked]]\n[[/locked]]"})

"""Files that leave the portal: hostile content first, then that they are readable."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from datetime import date
from typing import Any

import pytest
from docx import Document

from agents.selectors import DayOfAgent
from governance import usage
from governance.exports import spreadsheet, word
from qualisys.problems import Problem
from tests.browser.test_hostile_output import DOCUMENT, TEXT

RUN: dict[str, Any] = {
    "run_id": "01a1f87b-a436-7a8b-a961-43ebcc561166", "agent_id": "a", "created_at": "2026-11-20T10:05:00+00:00",
    "status": "completed", "version": "1.2.0", "usage": {"estimated": True}, "tokens_used": 1234, "demo": False,
    "documents": [], "problem": None, "output": "text", "structured_output": None,
}  # fmt: skip
STORIES = {
    "summary": "Two\nlines",
    "stories": [{"id": "US-1", "title": "Sign in", "as_a": "patient", "refs": ["REQ-1", "REQ-2"],
                 "criteria": [{"given": "a", "then": "b"}]}],
    "quality": {"clarity": 4, "testability": 5, "size": 0, "total": 9, "verdict": "pass"},
    "check": {"code": "a;\nb;"},
}  # fmt: skip


def written(run: dict[str, Any], **who: str) -> Any:
    content = word.word_document({**RUN, **run}, **{"agent_name": "An agent", "who": "Somebody", **who})
    return Document(io.BytesIO(content))


def lines(document: Any) -> list[str]:
    return [paragraph.text for paragraph in document.paragraphs]


def parts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode("latin1") for name in archive.namelist()}


@pytest.mark.parametrize("status", ["queued", "running"])
def test_word__run_under_way__is_refused(status: str) -> None:
    with pytest.raises(Problem, match="conflict"):
        written({"status": status})


def test_word__answer_too_long__is_refused_before_any_work() -> None:
    with pytest.raises(Problem, match="payload_too_large"):
        written({"output": "x" * (word.LARGEST + 1)})


@pytest.mark.promise
@pytest.mark.parametrize(
    "run", [{"output": TEXT}, {"structured_output": DOCUMENT, "output": json.dumps(DOCUMENT)}]
)
def test_p36_word__hostile_answer__is_text_and_leads_nowhere(run: dict[str, Any]) -> None:
    """P36: no relationship to the outside, no field, no object, no control character."""
    hostile = "<script>evil</script>\x1b[31m\ufffe\ud800"
    problem = {"title": hostile, "detail": hostile}
    content = word.word_document(
        {**RUN, **run, "problem": problem, "documents": [hostile], "status": "failed"},
        agent_name=hostile, who=hostile,
    )  # fmt: skip
    files = parts(content)
    assert not [name for name in files if name.endswith(".rels") and "External" in files[name]]
    body = files["word/document.xml"] + files["word/footer1.xml"]
    assert not re.search(
        r"<(w:(fldSimple|instrText|fldChar|hyperlink|object|altChunk|drawing|pict)|script)", body
    )
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", body)
    assert "window.pwned" in "\n".join(lines(Document(io.BytesIO(content))))


def test_word__deep_and_odd_values__are_written_all_the_same() -> None:
    deep: Any = "bottom"
    for _ in range(90):
        deep = {"in": deep}
    odd = {
        "deep": deep,
        "none": None,
        "empty": [],
        "mixed": [1, {"a": [2]}, [3]],
        "": {},
        "rows": [{}, {"a": 1}],
        "b": True,
    }
    text = "\n".join(lines(written({"structured_output": odd})))
    assert "bottom" in text
    assert "None: not stated" in text


def test_word__markdown__keeps_its_structure() -> None:
    told = written(
        {
            "output": "# Head\n\n3. three\n   - in **it**\n\n> q\n\n| a |\n|---|\n| 1 |\n\n[x](https://ok.example)"
        }
    )
    styles = {paragraph.text: paragraph.style.name for paragraph in told.paragraphs}
    assert styles["Head"] == "Heading 1"
    assert styles["3. three"] == "List Continue"
    assert styles["in it"] == "List Bullet 2"
    assert styles["q"] == "Quote"
    assert [[cell.text for cell in row.cells] for row in told.tables[0].rows] == [["a"], ["1"]]
    assert "x (https://ok.example)" in styles


def test_word__stories_and_scores__are_headings_tables_and_bars() -> None:
    told = written({"structured_output": STORIES})
    styles = {paragraph.text: paragraph.style.name for paragraph in told.paragraphs}
    assert styles["US-1 Sign in"] == "Heading 2"
    assert "As a: patient" in styles
    assert "Refs: REQ-1, REQ-2" in styles
    assert "Summary: Two\nlines" in styles
    assert [cell.text for cell in told.tables[1].rows[1].cells] == ["Clarity", "4 / 5", "■■■■□"]


def test_word__head__says_who_when_and_what_it_cost() -> None:
    told = written({"demo": True, "documents": ["a.md", "b.md"]}, who="Kim")
    assert told.core_properties.author == "QUALISYS"
    assert lines(told)[:5] == [
        "An agent",
        "Asked by Kim on 20 November 2026 at 10:05 UTC",
        "Completed, version 1.2.0, about 1,234 tokens",
        "Read: a.md, b.md",
        "Composed by the demo model's rules, not by a language model.",
    ]


def test_word__longest_answer__takes_seconds_not_minutes() -> None:
    stories = {"stories": [{"id": f"US-{n}", "as_a": "x" * 200, "c": [{"a": "b"}] * 3} for n in range(900)]}
    began = time.perf_counter()
    written({"structured_output": stories, "output": json.dumps(stories)})
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"],
)
def test_csv__text_that_looks_like_a_formula__begins_with_an_apostrophe(text: str) -> None:
    assert spreadsheet.inert(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Log reader", "a=b", "1-2", "'=1"])
def test_csv__other_text__is_left_alone(text: str) -> None:
    assert spreadsheet.inert(text) == text


def test_csv__agents_that_may_not_be_seen__are_one_line_a_day_without_a_name() -> None:
    day = date(2026, 11, 20)
    rows = [
        DayOfAgent(day, name, 1, 0, 0, 2, 3, refused=1, cost_micros=250)
        for name in ("seen", "secret-a", "secret-b")
    ]
    shown = usage.Usage(
        day, day, usage.Total(), usage.Total(), [], [], [], 10, rows, {"seen": ('=cmd|" /C calc"!A0', "")}
    )
    content = spreadsheet.usage_csv(shown).decode("utf-8-sig")
    assert "secret" not in content
    assert content.splitlines()[1:] == [
        f"2026-11-20,,{usage.HIDDEN_NAME},2,0,0,2,0.000500,4,6,10",
        '2026-11-20,seen,"\'=cmd|"" /C calc""!A0",1,0,0,1,0.000250,2,3,5',
    ]

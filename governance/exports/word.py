"""A run's answer as a Word document.

Like the page, the file must not carry what a model could hide in it: everything is text. There are no links to
follow, no pictures, no fields and nothing embedded; addresses are written out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from governance.exports.paper import HEADINGS, Paper, writable, write
from governance.exports.prose import Prose
from qualisys.problems import Problem

CONTENT_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
#: Characters of an answer that are still laid out; larger ones are data, for which there is JSON.
LARGEST: Final = 300_000
#: A list of objects becomes a table if it has no more fields than this and no longer texts; otherwise sections.
COLUMNS, CELL = 6, 160
#: Characters of a word or an id: a list of nothing longer stands in one line.
SHORT: Final = 24
#: The score that a dimension may reach.
BEST: Final = 5
#: Fields whose lines are kept as they are.
CODES: Final = {
    "code",
    "gherkin",
    "content",
    "check_sql",
    "rollback",
    "before",
    "after",
    "query",
    "example",
    "statement",
}
TITLES: Final = ("title", "name", "statement", "description")
STATUS: Final = {
    "completed": "Completed",
    "truncated": "Cut short at the agent's token limit",
    "failed": "Failed",
    "cancelled": "Stopped",
    "awaiting_approval": "Awaiting approval",
}


def word_document(run: Mapping[str, Any], *, agent_name: str, who: str) -> bytes:
    """Return the file of a run, given in the contract's shape; raise a Problem where it cannot be made (yet)."""
    if run["status"] in ("queued", "running"):
        raise Problem("conflict", "The run has not ended yet. Its document is there as soon as it has.")
    if len(run["output"]) > LARGEST:
        raise Problem("payload_too_large", "This answer is too long for Word. Take it as Markdown or JSON.")
    paper = Paper(writable(agent_name), f"QUALISYS, run {run['run_id']}")
    _write_head(paper, run, who)
    if run["problem"]:
        paper.paragraph("Normal", _text(f"{run['problem'].get('title')}: {run['problem'].get('detail')}"))
    if run["structured_output"] is not None:
        _write(paper, run["structured_output"], 1)
    else:
        Prose(paper).write(run["output"] or "There is no answer.")
    return paper.file()


def _write_head(paper: Paper, run: Mapping[str, Any], who: str) -> None:
    at = datetime.fromisoformat(run["created_at"])
    paper.about.created = paper.about.modified = at
    about = "about " if run["usage"]["estimated"] else ""
    state = STATUS.get(run["status"], run["status"])
    lines = [
        f"Asked by {who} on {at:%d %B %Y at %H:%M} UTC",
        f"{state}, version {run['version']}, {about}{run['tokens_used']:,} tokens",
    ]
    if run["documents"]:
        lines.append(f"Read: {', '.join(run['documents'])}")
    for line in lines:
        paper.paragraph("No Spacing", writable(line))
    if run["demo"]:
        note = "Composed by the demo model's rules, not by a language model."
        paper.paragraph("No Spacing", note, "bold")


def _write(paper: Paper, value: Any, level: int) -> None:
    """Add a JSON value whose parts have headings of `level`."""
    if not isinstance(value, dict | list):
        paper.paragraph("Normal", _text(value))
    elif level > HEADINGS:
        paper.code(_data(value))
    elif isinstance(value, dict):
        for key, each in value.items():
            _write_field(paper, key, each, level)
    else:
        _write_list(paper, value, level)


def _write_field(paper: Paper, key: str, value: Any, level: int) -> None:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value)):
        paper.heading(level, _label(key))
        if isinstance(value, dict) and (marks := _marks(value)):
            drawn = [
                [_label(k), f"{mark} / {BEST}", "■" * mark + "□" * (BEST - mark)] for k, mark in marks.items()
            ]
            paper.table([["Criterion", "Score", ""], *drawn])
            value = {name: each for name, each in value.items() if name not in marks}
        _write(paper, value, level + 1)
        return
    paragraph = paper.paragraph("Normal", f"{_label(key)}: ", "bold")
    if isinstance(value, list) and any(len(_text(each)) > SHORT for each in value):
        _write_list(paper, value, level)
    elif isinstance(value, str) and _is_code(key, value):
        paper.code(_text(value))
    else:
        write(paragraph, "none" if value == [] else _text(value))


def _is_code(key: str, text: str) -> bool:
    return "\n" in text.strip() and (key in CODES or re.search(r"[;{}]\s*$", text, re.MULTILINE) is not None)


def _write_list(paper: Paper, values: list[Any], level: int) -> None:
    if all(isinstance(each, dict) for each in values) and (rows := _table(values)):
        paper.table(rows)
        return
    for number, each in enumerate(values, 1):
        if isinstance(each, dict):
            told, name = _name(each)
            paper.heading(level, name or str(number))
            _write(paper, {key: part for key, part in each.items() if key not in told}, level + 1)
        else:
            paper.point(1, _text(each))


def _table(values: list[dict[str, Any]]) -> list[list[str]]:
    """Return head and rows of a table, or nothing where the objects need more room."""
    keys = list(dict.fromkeys(key for each in values for key in each))
    rows = [[_text(each[key]) if key in each else "" for key in keys] for each in values]
    cells = [cell for each in values for cell in each.values()]
    if len(keys) > COLUMNS or any(_has_parts(cell) for cell in cells):
        return []
    return (
        []
        if any(len(text) > CELL for row in rows for text in row)
        else [[_label(key) for key in keys], *rows]
    )


def _has_parts(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(v, dict | list) for v in value)
    )


def _marks(value: Mapping[str, Any]) -> dict[str, int]:
    """Return the dimensions of a score card, small whole numbers beside a total; nothing of anything else."""
    if not isinstance(value.get("total"), int | float):
        return {}
    marks = {
        key: each
        for key, each in value.items()
        if key not in ("total", "pass_mark") and type(each) is int and 0 <= each <= BEST
    }
    return marks if len(marks) >= 3 else {}


def _name(value: Mapping[str, Any]) -> tuple[set[str], str]:
    """Return the fields that name an object, and the name: its id and its title."""
    told = [key for key in ("id", *TITLES) if isinstance(value.get(key), str) and _is_line(value[key])]
    told = [key for key in told if key in ("id", next((each for each in told if each != "id"), ""))]
    return set(told), " ".join(_text(value[key]) for key in told)


def _is_line(text: str) -> bool:
    return 0 < len(text.strip()) <= CELL and "\n" not in text


def _label(key: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", writable(key)[:80])
    return re.sub(r"[_\s-]+", " ", words).strip().lower().capitalize()


def _text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not _has_parts(value):
        return ", ".join(_text(each) for each in value)
    return writable(value if isinstance(value, str) else _data(value))


def _data(value: Any) -> str:
    return writable(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())

"""Reads log lines into events: time, level, component, message; continuation lines belong to the event before."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from agents.demo.material import Document, Material

MAX_EVENTS = 20_000
_TIME = re.compile(
    r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|"
    r"\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)\]?\s*"
)
_LEVEL = re.compile(
    r"^[\[(<]?(FATAL|CRITICAL|ERROR|ERR|WARNING|WARN|INFO|NOTICE|DEBUG|TRACE)\b[\])>]?:?\s*", re.IGNORECASE
)
_LEVEL_ANYWHERE = re.compile(r"\b(FATAL|CRITICAL|ERROR|WARNING|WARN|INFO|DEBUG)\b")
_COMPONENT = re.compile(r"^\[([\w.:/-]{1,60})\]\s*|^([a-z][\w.-]{2,60})(?:\[\d+\])?:\s+")
_CONTINUATION = re.compile(r"^(?:\s+\S|Traceback |Caused by:|\.\.\. \d+ more|[\w.]+(?:Error|Exception)\b)")
_LEVELS = {"fatal": "fatal", "critical": "fatal", "error": "error", "err": "error", "warning": "warning",
           "warn": "warning", "info": "info", "notice": "info", "debug": "debug", "trace": "debug"}  # fmt: skip


@dataclass
class Event:
    """One log event. `text` is its first line as written; `time` is None when it carries none."""

    text: str
    message: str
    time: str | None
    level: str
    component: str | None
    continuation: list[str] = field(default_factory=list)


def read_events(material: Material) -> tuple[list[Event], int]:
    """Return the events of all documents and the number of lines that were not empty."""
    events: list[Event] = []
    lines = 0
    for document in material.documents:
        found, count = _events_of(document)
        events.extend(found[: MAX_EVENTS - len(events)])
        lines += count
    return events, lines


def is_log(events: list[Event]) -> bool:
    """Whether a text is a log at all: some event has a time or a level."""
    return any(event.time or event.level != "none" for event in events)


def _events_of(document: Document) -> tuple[list[Event], int]:
    events: list[Event] = []
    count = 0
    for line in document.text.split("\n"):
        if not line.strip():
            continue
        count += 1
        event = _json_event(line) if line.lstrip().startswith("{") else _event(line[:2_000])
        starts = event.time is not None or event.level != "none"
        if events and not starts and (_CONTINUATION.match(line) or events[-1].continuation):
            events[-1].continuation.append(line.strip()[:300])
        else:
            events.append(event)
    return events, count


def _event(line: str) -> Event:
    rest, time, level, component = line.strip(), None, "none", None
    if found := _TIME.match(rest):
        time, rest = found.group(1), rest[found.end() :]
    if named := _LEVEL.match(rest):
        level, rest = _LEVELS[named.group(1).lower()], rest[named.end() :]
    elif time and (named := _LEVEL_ANYWHERE.search(rest[:80])):
        level = _LEVELS[named.group(1).lower()]
        rest = (rest[: named.start()] + rest[named.end() :]).strip()
    if source := _COMPONENT.match(rest):
        component, rest = source.group(1) or source.group(2), rest[source.end() :]
    return Event(line.strip(), rest.strip(" -:"), time, level, component)


def _json_event(line: str) -> Event:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return _event(line[:2_000])
    if not isinstance(row, dict):
        return _event(line[:2_000])
    level = _LEVELS.get(str(_first(row, "level", "severity", "lvl") or "").lower(), "none")
    time = _first(row, "timestamp", "time", "ts", "@timestamp", "date")
    message = str(_first(row, "message", "msg", "event", "error") or line[:300])
    component = _first(row, "logger", "component", "service", "module", "name")
    return Event(line.strip()[:600], message, _text(time), level, _text(component))


def _first(row: dict[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:80]

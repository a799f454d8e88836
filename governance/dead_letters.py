"""What could not be done and was set aside: runs that could not be stored, tasks that failed. Looked at, sent again.

Sending again is safe: a run is stored once per id, and a task does its work once per key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from agents.guard.admission import SPOOL
from governance.runs.spool import DEAD as DEAD_RUNS
from qualisys import redis as qredis
from qualisys.celery import DEAD as DEAD_TASKS
from qualisys.celery import TENANT_HEADER, app
from qualisys.problems import Problem

QUEUES = {"runs": DEAD_RUNS, "tasks": DEAD_TASKS}


@dataclass(frozen=True, slots=True)
class Letter:
    """Something that was set aside: its queue and id there, what it was, and why it failed."""

    queue: str
    id: str
    what: str
    error: str


def letters(queue: str) -> Iterator[Letter]:
    """Yield what is set aside, oldest first."""
    for key, fields in _entries(queue):
        content = json.loads(fields[b"entry" if queue == "runs" else b"letter"])
        what = f"run {content['run_id']}" if queue == "runs" else f"{content['task']} {content['args']}"
        yield Letter(queue, key.decode(), what, fields[b"error"].decode())


def replay(queue: str, key: str) -> None:
    """Send a letter again and take it out of the queue; raise `not_found` where there is none."""
    found = [fields for each, fields in _entries(queue, key, key) if each.decode() == key]
    if not found:
        raise Problem("not_found", f"There is no letter {key} among the {queue}.")
    client = qredis.sync_client()
    if queue == "runs":
        client.xadd(SPOOL, {"entry": found[0][b"entry"]})
    else:
        letter = json.loads(found[0][b"letter"])
        headers = {TENANT_HEADER: letter["tenant"]} if letter["tenant"] else None
        app.send_task(letter["task"], letter["args"], letter["kwargs"], headers=headers)
    client.xdel(QUEUES[queue], key)


def drop(queue: str, key: str) -> None:
    """Take a letter out of the queue for good."""
    qredis.sync_client().xdel(QUEUES[queue], key)


def _entries(queue: str, first: str = "-", last: str = "+") -> list[tuple[bytes, dict[bytes, Any]]]:
    return cast(
        "list[tuple[bytes, dict[bytes, Any]]]", qredis.sync_client().xrange(QUEUES[queue], first, last)
    )

"""Runs that the guard did not admit: each is logged with its reason, so that "why was I refused" has an answer.

A caller that storms against a limit must not fill the log with it: of one agent's refusals with one code, a tenant's
first MOST of a minute are logged in each process, and all are counted.
"""

from __future__ import annotations

from collections import Counter
from time import time
from typing import Any

import orjson

from agents import metrics
from agents.guard.admission import KEPT, SPOOL, result_key
from governance.runs import kept, record
from qualisys import redis as qredis
from qualisys.problems import Problem
from qualisys.redis import Script

#: Refusals that are logged in a minute, of one agent in one tenant with one code.
MOST = 60

#: ARGV result key, result, seconds it is kept, spool, entry.
_NOTE = Script("""
redis.call('SET', ARGV[1], ARGV[2], 'EX', ARGV[3])
redis.call('XADD', ARGV[4], '*', 'entry', ARGV[5])
return 1
""")

_noted: Counter[tuple[str, str, str]] = Counter()
_minute = 0


def noted(begun: dict[str, Any], problem: Problem) -> Problem:
    """Log a refused run and return its Problem with the run's id; one that was not logged has none."""
    if problem.code == "guard_unavailable":
        return problem  # where there is no guard, there is no spool
    metrics.refused(begun["agent_id"], begun["version"])
    if not _is_worth_a_row(begun["tenant_id"], begun["agent_id"], problem.code):
        return problem
    end = record.End("failed", problem=problem)
    result = orjson.dumps({**record.shown(begun, end), "tenant_id": begun["tenant_id"]})
    entry = record.entry(begun, end, refused=True)
    kept.keep(entry)
    args: list[str | bytes | int] = [result_key(begun["run_id"]), result, KEPT, SPOOL, entry]
    qredis.client().run_soon(_NOTE, (), args)
    extra = {**(problem.extra or {}), "run_id": begun["run_id"], "refused": True}
    return Problem(problem.code, problem.detail, problem.errors, problem.headers, extra)


def _is_worth_a_row(tenant_id: str, agent_id: str, code: str) -> bool:
    global _minute
    if (minute := int(time() // 60)) != _minute:
        _minute = minute
        _noted.clear()
    key = (tenant_id, agent_id, code)
    _noted[key] += 1
    return _noted[key] <= MOST

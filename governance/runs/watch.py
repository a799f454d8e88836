"""What a process asks about its own runs twice a second: was one cancelled, taken over, or left by all readers?"""

from __future__ import annotations

import asyncio

from agents import metrics
from agents.guard import scripts
from agents.guard.admission import SPOOL, events_key, lease_key
from governance.runs.execution import Execution, executions
from governance.runs.stream import READER_GRACE
from qualisys import redis as qredis


async def tick() -> None:
    """Stop the runs that should not go on; note how many ended ones wait to be written."""
    metrics.BACKLOG.set(await qredis.client().call("XLEN", SPOOL))
    running = list(executions.values())
    if not running:
        return
    answers = await qredis.client().run(scripts.LOOK, [], [str(each.lease.run_id) for each in running])
    now = asyncio.get_running_loop().time()
    for execution, answer in zip(running, answers, strict=True):
        if answer == 1 or execution.log.cancel_asked:
            execution.cancel("asked")
        elif answer == -1 or execution.log.lost:
            execution.cancel("lost")
        elif _left_alone(execution, now, read_elsewhere=answer == 0):
            execution.cancel("no reader")


def _left_alone(execution: Execution, now: float, *, read_elsewhere: bool) -> bool:
    if execution.mode != "stream" or execution.log.readers or read_elsewhere:
        return False
    return now - execution.log.left_at >= READER_GRACE


async def cancel(run_id: object) -> bool:
    """Ask whichever process executes the run to stop; return False where nobody does."""
    local = next((each for each in executions.values() if each.lease.run_id == run_id), None)
    if local is not None and local.end is None:
        local.cancel("asked")
        return True
    reply = await qredis.client().run(scripts.CANCEL, [lease_key(str(run_id)), events_key(str(run_id))], [])
    return bool(reply == 1)

"""One run under way: the model is called within its deadline, its words are relayed, its end is settled once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import perf_counter
from typing import Any, Literal
from uuid import UUID

import orjson

from agents import metrics
from agents.guard import Settlement, settle, verdicts
from governance.runs import conversation, kept, record
from governance.runs.bounds import Bounds
from governance.runs.calling import Call, Messages
from governance.runs.conversation import Context
from governance.runs.request import RunRequest
from governance.runs.stream import COALESCE, COALESCE_UNWATCHED, EventLog
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from tenants.overrides.merge import Effective

logger = logging.getLogger(__name__)

Mode = Literal["request", "stream", "background"]

#: Seconds a cancelled model call may take to close its connection before it is abandoned.
ABANDON = 0.1
#: Seconds a finished run keeps trying to settle while Redis is away.
SETTLE_FOR = 60

#: Why a run was late, in the words for its caller.
LATE = {
    "timeout": "The agent did not finish within {timeout} seconds.",
    "first_token": "The model did not begin to answer within {first_token} seconds.",
    "gap": "The model stopped in the middle of its answer for more than {gap} seconds.",
}
#: Problems that end a run from outside, in the same words.
STOPPED = {
    "agent_not_found": "The agent was turned off while it ran. What it had written so far is kept.",
    "model_stopped": "The model was stopped by an administrator while it answered. What it had written so far is kept.",
    "permission_denied": "Your organisation was suspended while the agent ran. What it had written so far is kept.",
}

#: What the first event tells.
_STARTED = ("run_id", "agent_id", "version", "version_reason", "conversation_id", "demo")

#: The runs that this process executes.
executions: dict[UUID, Execution] = {}


class Execution:
    """One run under way in this process."""

    def __init__(
        self,
        bounds: Bounds,
        begun: dict[str, Any],
        effective: Effective,
        request: RunRequest,
        context: Context,
        messages: Messages,
        mode: Mode,
    ) -> None:
        self.bounds, self.lease = bounds, bounds.lease
        self.effective, self.request, self.context = effective, request, context
        self.mode, self.begun = mode, begun
        self.log = EventLog(self.lease.run_id, COALESCE_UNWATCHED if mode == "request" else COALESCE)
        self.call = Call(
            bounds,
            effective,
            request,
            messages,
            in_one_piece=mode == "request",
            relay=self.log.delta,
            tell=self.log.event,
        )
        self.end: record.End | None = None
        self._shown = b""
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        #: Why it was asked to stop, and whether the model's answer is still awaited.
        self._why, self._asking = "", True
        self._began = perf_counter()
        self._task = self._loop.create_task(self._run())
        self._instead: asyncio.Task[None] | None = None

    def cancel(self, why: str) -> None:
        """Ask the run to stop; it ends as cancelled within moments."""
        if self._why or not self._asking:
            return
        self._why, self.log.closed = why, True
        self._task.cancel()
        self._loop.call_later(ABANDON, self._abandon)

    def shown(self) -> bytes:
        """Return the run as the contract shows it, in JSON."""
        return self._shown if self._over.is_set() else orjson.dumps(record.shown(self.begun))

    async def finished(self, seconds: float | None = None) -> record.End | None:
        """Wait for the end, so many seconds at most, and return it; leaving early does not stop the run."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self.end if self._over.is_set() else None

    async def _run(self) -> None:
        """Execute within the deadline and settle, whatever happens."""
        self.log.event("run.started", {name: self.begun[name] for name in _STARTED})
        timer = self._loop.call_later(self.effective.timeout_seconds, self.cancel, "timeout")
        try:
            end = self._ended(*await self.call.answer(self.cancel))
        except asyncio.CancelledError:
            end = None
        except Problem as problem:
            end = self._failed(problem)
        except Exception:
            logger.exception("run %s failed", self.lease.run_id)
            detail = "The fault is on our side and was logged."
            end = self._failed(Problem("internal_error", detail))
        finally:
            timer.cancel()
        if self._asking:
            self._asking = False
            await self._settle(end or self._stopped())

    def _abandon(self) -> None:
        """End the run without a model's call that does not stop, or that was stopped before it began."""
        if self._asking:
            self._asking = False
            self._instead = self._loop.create_task(self._settle(self._stopped()))

    def _stopped(self) -> record.End:
        why = self._why
        if why == "shutdown":
            return self._failed(Problem("worker_lost", "The server was shut down meanwhile. Run it again."))
        if why in STOPPED:
            return self._failed(Problem(why, STOPPED[why]))
        if why not in LATE:
            return self._ended("cancelled")
        metrics.TIMEOUTS.labels(self.lease.agent_id).inc()
        return self._failed(Problem("agent_timeout", self._late(why)))

    def _late(self, why: str) -> str:
        conduct = self.bounds.plan.limits.conduct
        return LATE[why].format(
            timeout=self.effective.timeout_seconds,
            first_token=conduct.get("first_token_seconds"),
            gap=conduct.get("gap_seconds"),
        )

    def _failed(self, problem: Problem) -> record.End:
        return self._ended("failed", problem=problem)

    def _ended(self, status: str, structured: Any = None, problem: Problem | None = None) -> record.End:
        return record.End(
            status=status,
            output=self.call.text,
            structured=structured,
            problem=problem,
            usage=self.call.usage,
            milliseconds=round((perf_counter() - self._began) * 1000),
            first_token_ms=round((self.call.first - self._began) * 1000) if self.call.first else None,
        )

    async def _settle(self, end: record.End) -> None:
        try:
            await self._book(end)
        finally:
            executions.pop(self.lease.run_id, None)
            self._over.set()

    async def _book(self, end: record.End) -> None:
        self.end = end
        start = self.begun
        if end.status != "failed":
            usage = end.usage
            self.log.event(
                "usage", {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            )
        self._account(end)
        name, data = record.last_event(start, end)
        last = self.log.position + 1
        own, model = verdicts.of(end.problem, cancelled=end.status == "cancelled")
        self._shown = orjson.dumps(record.shown(start, end))
        outcome = Settlement(
            events=[*self.log.close(), (last, name, data)],
            result=record.of_tenant(self._shown, start["tenant_id"]),
            entry=record.entry(start, end),
            conversation=self._continued(end),
            own=own,
            model=model,
            reason=end.problem.code if end.problem else "",
            tokens=end.usage.input_tokens + end.usage.output_tokens,
            cost_micros=start["cost_micros"],
            day=self.bounds.admitted.day,
        )
        if not await self._settled(outcome):
            self.end = end = record.End(
                "failed", problem=Problem("worker_lost", "The run was ended by the reaper.")
            )
            self._shown = orjson.dumps(record.shown(start, end))
            name, data = record.last_event(start, end)
        self.log.end(name, data)
        metrics.finished(
            start["agent_id"], start["version"], end.status, end.milliseconds, end.first_token_ms, end.usage
        )

    def _account(self, end: record.End) -> None:
        """Write down which model answered, what that cost, and whose place it took."""
        answered = self.call.candidate
        record.answered(self.begun, answered.provider, answered.model)
        self.begun["cost_micros"] = answered.price.cost(end.usage.input_tokens, end.usage.output_tokens)

    async def _settled(self, outcome: Settlement) -> bool:
        deadline = perf_counter() + SETTLE_FOR
        while True:
            try:
                settled = await settle(self.lease, outcome)
            except RedisUnavailable:
                if perf_counter() > deadline:
                    logger.exception("run %s could not be settled", self.lease.run_id)
                    return False
                await asyncio.sleep(0.5)
                continue
            if settled.ended:
                kept.keep(outcome.entry)
            if settled.circuit and not self.bounds.plan.customized:
                metrics.circuits({self.lease.agent_id: settled.circuit})
            return settled.ended

    def _continued(self, end: record.End) -> bytes:
        if end.status != "completed":
            return b""
        return self.context.extended(
            conversation.turn(self.request.input, self.request.documents, end.output)
        )

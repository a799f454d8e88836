"""One run under way: the model is called within its deadline, its words are relayed, its end is settled once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from time import perf_counter
from typing import Any, Literal
from uuid import UUID

import orjson

from agents import metrics, providers
from agents.guard import Lease, Settlement, settle
from agents.providers.base import Outcome, Request
from governance import gates
from governance.runs import conversation, output, record
from governance.runs.conversation import Context
from governance.runs.request import RunRequest
from governance.runs.stream import COALESCE, COALESCE_UNWATCHED, EventLog
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from qualisys.text import clean
from tenants.overrides.merge import Effective
from versions.registry import validator

logger = logging.getLogger(__name__)

Mode = Literal["request", "stream", "background"]

#: Seconds a cancelled model call may take to close its connection before it is abandoned.
ABANDON = 0.1
#: Seconds a finished run keeps trying to settle while Redis is away.
SETTLE_FOR = 60

#: What the first event tells.
_STARTED = ("run_id", "agent_id", "version", "version_reason", "conversation_id", "demo")

#: The runs that this process executes.
executions: dict[UUID, Execution] = {}


class Execution:
    """One run under way in this process."""

    def __init__(
        self,
        lease: Lease,
        begun: dict[str, Any],
        effective: Effective,
        request: RunRequest,
        context: Context,
        mode: Mode,
    ) -> None:
        self.lease, self.effective, self.request, self.context = lease, effective, request, context
        self.mode = mode
        self.begun = begun
        self.log = EventLog(lease.run_id, COALESCE_UNWATCHED if mode == "request" else COALESCE)
        self.stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self.end: record.End | None = None
        self._began = perf_counter()
        self._first: float | None = None
        self._outcome = Outcome()
        self._text: list[str] = []

    def cancel(self, why: str) -> None:
        """Ask the run to stop; it ends as cancelled within moments."""
        if not self.stop.done():
            self.stop.set_result(why)

    def shown(self) -> dict[str, Any]:
        """Return the run as the contract shows it."""
        return record.shown(self.begun, self.end)

    async def finished(self) -> None:
        """Wait for the end; leaving early does not stop the run."""
        assert self.task is not None
        await asyncio.shield(self.task)

    async def run(self) -> None:
        """Execute and settle, whatever happens."""
        self.log.event(
            "run.started",
            {name: self.begun[name] for name in _STARTED},
        )
        try:
            self.end = await self._bounded()
        except Exception:
            logger.exception("run %s failed", self.lease.run_id)
            detail = "The fault is on our side and was logged."
            self.end = self._failed(Problem("internal_error", detail))
        finally:
            await self._settle(self.end or self._ended("cancelled"))

    async def _bounded(self) -> record.End:
        """Call the model within the deadline; a call that does not stop is abandoned, never waited for."""
        work = asyncio.create_task(self._work())
        work.add_done_callback(lambda _: self.cancel("done"))
        seconds = self.effective.timeout_seconds
        timer = asyncio.get_running_loop().call_later(seconds, self.cancel, "timeout")
        why = await self.stop
        timer.cancel()
        if work.done():
            try:
                return work.result()
            except Problem as problem:
                return self._failed(problem)
        self.log.closed = True
        work.cancel()
        await asyncio.wait((work,), timeout=ABANDON)
        if work.done() and not work.cancelled():
            work.exception()
        if why == "shutdown":
            return self._failed(Problem("worker_lost", "The server was shut down meanwhile. Run it again."))
        if why != "timeout":
            return self._ended("cancelled")
        metrics.TIMEOUTS.labels(self.lease.agent_id).inc()
        return self._failed(Problem("agent_timeout", f"The agent did not finish within {seconds} seconds."))

    async def _work(self) -> record.End:
        effective = self.effective
        provider = providers.get(effective.provider)
        asked = Request(
            model=effective.model,
            messages=[
                {"role": "system", "content": effective.system_prompt},
                *self.context.messages,
                {"role": "user", "content": output.context_text(self.request.input, self.request.documents)},
            ],
            max_tokens=effective.max_tokens,
            schema_name=effective.agent.agent_id,
            output_schema=dict(effective.output_schema) or None,
        )
        if self.mode == "request":
            self._relay((await provider.complete(asked, self._outcome)).text)
        else:
            async with aclosing(provider.stream(asked, self._outcome)) as pieces:
                async for piece in pieces:
                    self._relay(piece)
        text = "".join(self._text)
        if self._outcome.truncated:
            return self._ended("truncated")
        structured = None
        if effective.output_schema:
            text, structured = await self._checked(provider, asked, text)
        await gates.after_run(effective, self.request, structured)
        self._text = [text]
        return self._ended("completed", structured)

    def _relay(self, piece: str) -> None:
        if self._first is None:
            self._first = perf_counter()
        piece = clean(piece)
        self._text.append(piece)
        self.log.delta(piece)

    async def _checked(self, provider: Any, asked: Request, text: str) -> tuple[str, Any]:
        """Return the answer and its value; a wrong one is repaired once, out of what is left of the tokens."""
        check = validator(self.effective.version)
        value, errors = output.check(text, check)
        left = asked.max_tokens - self._outcome.usage.output_tokens
        if errors and left > 0:
            self.log.event("tool", {"name": "repair", "state": "started"})
            retry = Request(
                model=asked.model,
                messages=[
                    *asked.messages,
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": output.repair_message(errors)},
                ],
                max_tokens=left,
                schema_name=asked.schema_name,
                output_schema=asked.output_schema,
            )
            second = Outcome()
            try:
                text = clean((await provider.complete(retry, second)).text)
            finally:
                _add(self._outcome, second)
            value, errors = output.check(text, check)
            self.log.event("tool", {"name": "repair", "state": "failed" if errors else "finished"})
        if errors:
            self._text = [text]
            detail = "The model's answer does not match the agent's schema, also after one repair."
            raise Problem("output_schema_violation", detail, errors=errors)
        return text, value

    def _failed(self, problem: Problem) -> record.End:
        return self._ended("failed", problem=problem)

    def _ended(self, status: str, structured: Any = None, problem: Problem | None = None) -> record.End:
        return record.End(
            status=status,
            output="".join(self._text),
            structured=structured,
            problem=problem,
            usage=self._outcome.usage,
            milliseconds=round((perf_counter() - self._began) * 1000),
            first_token_ms=round((self._first - self._began) * 1000) if self._first else None,
        )

    async def _settle(self, end: record.End) -> None:
        self.end = end
        start = self.begun
        if end.status != "failed":
            usage = end.usage
            self.log.event(
                "usage", {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            )
        name, data = record.last_event(start, end)
        last = self.log.position + 1
        outcome = Settlement(
            events=[*self.log.close(), (last, name, data)],
            result=orjson.dumps({**record.shown(start, end), "tenant_id": start["tenant_id"]}),
            entry=record.entry(start, end),
            conversation=self._continued(end),
        )
        if not await self._settled(outcome):
            self.end = end = record.End(
                "failed", problem=Problem("worker_lost", "The run was ended by the reaper.")
            )
            name, data = record.last_event(start, end)
        self.log.end(name, data)
        metrics.finished(
            start["agent_id"], start["version"], end.status, end.milliseconds, end.first_token_ms, end.usage
        )
        executions.pop(self.lease.run_id, None)

    async def _settled(self, outcome: Settlement) -> bool:
        deadline = perf_counter() + SETTLE_FOR
        while True:
            try:
                return await settle(self.lease, outcome)
            except RedisUnavailable:
                if perf_counter() > deadline:
                    logger.exception("run %s could not be settled", self.lease.run_id)
                    return False
                await asyncio.sleep(0.5)

    def _continued(self, end: record.End) -> bytes:
        if end.status != "completed":
            return b""
        return self.context.extended(
            conversation.turn(self.request.input, self.request.documents, end.output)
        )


def _add(total: Outcome, more: Outcome) -> None:
    total.usage.input_tokens += more.usage.input_tokens
    total.usage.output_tokens += more.usage.output_tokens
    total.usage.estimated = total.usage.estimated or more.usage.estimated
    total.truncated = more.truncated

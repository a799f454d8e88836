"""Asking the model: within its grant and its silences, on another model where that is provided for, repaired once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from time import perf_counter
from typing import Any

from agents import providers
from agents.guard import Candidate, advance, verdicts
from agents.providers.base import Outcome, Provider, Request, Usage
from governance import gates
from governance.runs import output
from governance.runs.bounds import Bounds
from governance.runs.request import RunRequest
from qualisys.problems import FieldError, Problem
from qualisys.text import clean
from tenants.overrides.merge import Effective
from versions.registry import validator

Messages = list[dict[str, str]]


class Silence:
    """Waits for a model's words; one timer, however often they come."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._due, self._owed = 0.0, ""
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, owed: str, seconds: float) -> None:
        """Call `broken` with `owed` unless this is called again, or `end`, within so many seconds."""
        self._owed, self._due = owed, self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self.end()
            self._timer = self._loop.call_at(self._due, self._look)

    def end(self) -> None:
        """Expect nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._timer = None
            self._broken(self._owed)


class Call:
    """The call of a run's model. What it said so far is in `text`, what that used in `usage`, whatever happens.

    `relay` takes each piece of text, `tell` an event's name and data. Neither may lead back to whoever holds the call:
    a run that is over must be gone at once, not when cycles are next looked for.
    """

    def __init__(
        self,
        bounds: Bounds,
        effective: Effective,
        request: RunRequest,
        messages: Messages,
        *,
        in_one_piece: bool,
        relay: Callable[[str], None],
        tell: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._bounds, self._effective, self._request, self._messages = bounds, effective, request, messages
        conduct = bounds.plan.limits.conduct
        self._first_token, self._gap = conduct.get("first_token_seconds"), conduct.get("gap_seconds")
        self._in_one_piece = in_one_piece and not self._first_token and not self._gap
        self._relay, self._tell = relay, tell
        self._at = bounds.admitted.candidate
        self._outcome = Outcome()
        self._text: list[str] = []
        #: When the first piece came, by `perf_counter`.
        self.first: float | None = None

    @property
    def candidate(self) -> Candidate:
        """The model that answers."""
        return self._bounds.plan.candidates[self._at]

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def usage(self) -> Usage:
        """The tokens used so far; an estimate stays within what the provider was told."""
        usage = self._outcome.usage
        if usage.estimated:
            usage.output_tokens = min(usage.output_tokens, self._bounds.grant.output_tokens)
        return usage

    async def answer(self, silent: Callable[[str], None]) -> tuple[str, Any]:
        """Return the run's status, completed or truncated, and its structured output; raise what goes wrong.

        `silent` is called when the model is silent for too long, with what it owed ("first_token" or "gap").
        """
        silence = Silence(silent)
        while True:
            asked = self._asked()
            try:
                await self._ask(providers.get(self.candidate.provider), asked, silence)
                break
            except Problem as problem:
                wait = verdicts.pause(problem)
                if wait is None or not await self._fall_back(wait):
                    raise
            finally:
                silence.end()
        if self._outcome.truncated:
            return "truncated", None
        structured = None
        if self._effective.output_schema:
            structured = await self._checked(asked)
        await gates.after_run(self._effective, self._request, structured)
        return "completed", structured

    def _asked(self) -> Request:
        return Request(
            model=self.candidate.model,
            messages=self._messages,
            max_tokens=self._bounds.grant.output_tokens,
            schema_name=self._effective.agent.agent_id,
            output_schema=dict(self._effective.output_schema) or None,
        )

    async def _ask(self, provider: Provider, asked: Request, silence: Silence) -> None:
        if self._in_one_piece:
            self._take((await provider.complete(asked, self._outcome)).text)
            return
        if self._first_token:
            silence.expect("first_token", self._first_token)
        outcome, most = self._outcome, self._bounds.grant.output_tokens
        async with aclosing(provider.stream(asked, outcome)) as pieces:
            async for piece in pieces:
                self._take(piece)
                if self._gap:
                    silence.expect("gap", self._gap)
                else:
                    silence.end()
                if outcome.pieces > most:
                    # It was told to stop here and did not: what there is, is the answer.
                    outcome.truncated = True
                    return

    def _take(self, piece: str) -> None:
        if self.first is None:
            self.first = perf_counter()
        piece = clean(piece)
        self._text.append(piece)
        self._relay(piece)

    async def _fall_back(self, wait: float) -> bool:
        """Leave the provider alone for as long as it asks; go on with the next model, if there is one."""
        following = await advance(self._bounds.lease, self._bounds.plan, self._at, wait)
        if following is None:
            return False
        self._at, self._outcome = following, Outcome()
        model = f"{self.candidate.provider} {self.candidate.model}"
        self._tell("tool", {"name": "fallback", "state": "started", "model": model})
        return True

    async def _checked(self, asked: Request) -> Any:
        """Return the answer's value; a wrong one is repaired once, out of what is left of the grant."""
        check = validator(self._effective.version)
        text = self.text
        value, errors = output.check(text, check)
        most = self._left_for_repair(text, errors)
        if errors and most > 0:
            self._tell("tool", {"name": "repair", "state": "started"})
            text = await self._repaired(asked, text, errors, most)
            value, errors = output.check(text, check)
            self._tell("tool", {"name": "repair", "state": "failed" if errors else "finished"})
        self._text = [text]
        if errors:
            detail = "The model's answer does not match the agent's schema, also after one repair."
            raise Problem("output_schema_violation", detail, errors=errors)
        return value

    def _left_for_repair(self, text: str, errors: list[FieldError]) -> int:
        """Return the tokens a second answer may have: the grant, without the first call and the second's input."""
        used, grant = self.usage, self._bounds.grant
        first = used.input_tokens + used.output_tokens
        if used.estimated:
            first = max(first, grant.tokens - grant.output_tokens + len(text.encode()))
        again = first + len(output.repair_message(errors).encode()) + 64
        return min(grant.tokens - used.input_tokens - used.output_tokens - again, grant.output_tokens)

    async def _repaired(self, asked: Request, text: str, errors: list[FieldError], most: int) -> str:
        retry = Request(
            model=asked.model,
            messages=[
                *asked.messages,
                {"role": "assistant", "content": text},
                {"role": "user", "content": output.repair_message(errors)},
            ],
            max_tokens=most,
            schema_name=asked.schema_name,
            output_schema=asked.output_schema,
        )
        second = Outcome()
        try:
            provider = providers.get(self.candidate.provider)
            return clean((await provider.complete(retry, second)).text)
        finally:
            total = self._outcome
            total.usage.input_tokens += second.usage.input_tokens
            total.usage.output_tokens += second.usage.output_tokens
            total.usage.estimated = total.usage.estimated or second.usage.estimated
            total.truncated = second.truncated

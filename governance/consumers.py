"""Sockets: the same runs and events as server-sent events, as JSON messages both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http.request import split_domain_port
from pydantic import ValidationError

from agents.definitions import as_problem
from governance.runs import selectors
from governance.runs.orchestrator import start
from governance.runs.replay import events_of
from governance.runs.request import prepare
from governance.runs.sse import RECHECK
from governance.runs.stream import Event, follow
from governance.schemas import RunIn
from qualisys import audit, tenancy
from qualisys.access import check
from qualisys.problems import Problem
from qualisys.redis import RedisUnavailable
from qualisys.text import read_json
from tenants import effective
from tenants.authentication import Credentials, authenticate, still_holds
from tenants.identity import Identity

#: Close codes: refused before or while open.
REFUSED = 4403
NOT_FOUND = 4404
MAX_MESSAGE = 4 * 1024 * 1024


class GovernedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A socket of somebody: same origin, a credential that holds, and checked again while it stays open."""

    identity: Identity

    async def connect(self) -> None:
        """Admit the caller or close with a code."""
        self.tasks: set[asyncio.Task[None]] = set()
        try:
            headers = {name.decode("latin1"): value.decode("latin1") for name, value in self.scope["headers"]}
            host = headers.get("host", "")
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != host:
                raise Problem("permission_denied", "This page is not one of ours.")
            identity = await authenticate(Credentials(split_domain_port(host)[0], headers))
            if identity is None or identity.tenant is None:
                raise Problem("not_authenticated", "Sign in first.")
            self.identity = identity
            check(identity, self.permission)
            await self.accept()
            self.spawn(self.watch())
            with tenancy.use(identity.tenant):
                await self.opened()
        except Problem as problem:
            await self.refuse(problem)
        except RedisUnavailable:
            await self.refuse(Problem("guard_unavailable", "A part of the installation is away. Try again."))

    permission = "governance.view_run"

    async def opened(self) -> None:
        """Begin what the socket is for."""

    async def refuse(self, problem: Problem) -> None:
        """Say why and close."""
        await self.close(code=NOT_FOUND if problem.status == 404 else REFUSED, reason=problem.code)

    async def watch(self) -> None:
        """Close the socket once its credential no longer holds."""
        # Nothing tells a socket that its credential was revoked; it has to look.
        while await still_holds(self.identity):  # noqa: ASYNC110
            await asyncio.sleep(RECHECK)
        await self.close(code=REFUSED, reason="permission_denied")

    def spawn(self, coroutine: Any) -> None:
        """Run something beside the socket, until it closes."""
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def disconnect(self, code: int) -> None:
        """Stop reading; a streamed run has its grace."""
        for task in self.tasks:
            task.cancel()

    async def relay(self, run_id: UUID, events: AsyncIterator[Event]) -> None:
        """Send a run's events."""
        prefix = f'{{"id":"{run_id}-'
        async for event in events:
            text = f'{prefix}{event.position}","event":"{event.name}","data":{event.json.decode()}}}'
            await self.send(text_data=text)

    async def send_problem(self, problem: Problem) -> None:
        """Send a refusal as an event without a run."""
        message = {"id": None, "event": "run.failed", "data": {"problem": problem.document()}}
        await self.send(text_data=orjson.dumps(message).decode())


class AgentConsumer(GovernedConsumer):
    """`/ws/agents/{agent_id}/`: takes `run` and `cancel`, one run at a time."""

    permission = "governance.add_run"
    execution: Any = None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take one command."""
        who = audit.Actor(self.identity.actor_id)
        assert self.identity.tenant is not None
        with tenancy.use(self.identity.tenant), audit.acting(who):
            try:
                await self.command(_message(text_data))
            except Problem as problem:
                await self.send_problem(problem)
            except RedisUnavailable:
                await self.send_problem(Problem("guard_unavailable", "The guard cannot be asked. Try again."))

    async def command(self, message: dict[str, Any]) -> None:
        """Start or cancel a run."""
        kind = message.pop("type", None)
        if kind == "cancel":
            if self.execution is not None:
                self.execution.cancel("asked")
            return
        if kind != "run":
            raise Problem("validation_error", 'Send {"type": "run", "input": ...} or {"type": "cancel"}.')
        if self.execution is not None and self.execution.end is None:
            raise Problem("conflict", "A run is under way on this socket. Cancel it or open another.")
        try:
            body = RunIn.model_validate(message)
        except ValidationError as error:
            raise as_problem(error) from error
        agent_id = self.scope["url_route"]["kwargs"]["agent_id"]
        agent = await effective.visible(self.identity, agent_id)
        files = [each.upload(index) for index, each in enumerate(body.files)]
        request = await prepare(
            agent,
            text=body.input,
            files=files,
            conversation_id=body.conversation_id,
            parameters=body.parameters,
        )
        self.execution = await start(self.identity, agent_id, request, mode="stream")
        self.spawn(self.relay(self.execution.lease.run_id, follow(self.execution.log)))


class RunConsumer(GovernedConsumer):
    """`/ws/runs/{run_id}/`: follows a run from its start, or from `?after=<position>`."""

    async def opened(self) -> None:
        """Attach to the run."""
        run_id: UUID = self.scope["url_route"]["kwargs"]["run_id"]
        await selectors.get_run(self.identity, run_id)
        query = self.scope["query_string"].decode("latin1")
        after = query.removeprefix("after=")
        position = min(int(after), 1 << 53) if after.isdecimal() and len(after) < 20 else 0
        self.spawn(self.relay(run_id, events_of(self.identity, run_id, position)))


def _message(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > MAX_MESSAGE:
        raise Problem("validation_error", "Send one JSON object as text.")
    message = read_json(text)
    if not isinstance(message, dict):
        raise Problem("validation_error", "Send one JSON object as text.")
    return message

"""P19: a client that is gone costs nothing for long: its run is cancelled, its upstream closed, its usage kept."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.sync.client import connect

from agents.models import ExecutionLog
from qualisys import tenancy
from tests.conftest import FULL
from tests.execution_log import row, rows
from tests.portal import Portal, Scripted, wait_for
from tests.sse import Stream

ENDLESS = "chunks=4000,interval=10,ptok=7"
#: More than a connection holds, and then nothing: its reader stalls, and the server with it.
LARGE = "chunks=400,size=20000,interval=5,stall=350"
GRACE = 15
#: Beyond the grace, or at once: what cancelling may take.
SOON = 1.0 if FULL else 3.0


def aborted_after(portal: Portal, agent: Scripted, seconds: float) -> float:
    """Wait until the provider was hung up on and return how long that took."""
    return wait_for(lambda: portal.provider.stats(agent.model)["aborted"] == 1, seconds, "the hang-up")


def request(portal: Portal, path: str) -> bytes:
    """Return a request for a run as it goes over the wire."""
    body = b'{"input": "x"}'
    headers = (
        f"Host: {portal.host('acme')}\r\nX-API-Key: {portal.key('acme')}\r\nContent-Length: {len(body)}\r\n"
    )
    return f"POST /api/v1{path} HTTP/1.1\r\nContent-Type: application/json\r\n{headers}\r\n".encode() + body


def check_partial(found: ExecutionLog) -> None:
    assert (found.status, found.error_code) == ("cancelled", "")
    assert found.output_tokens > 0
    assert found.usage_estimated


@pytest.mark.promise
@pytest.mark.parametrize("script", ["drip=30", "hang=1", "stall=2"])
def test_p19_run__caller_hangs_up__cancelled_at_once_with_its_usage(
    portal: Portal, tenants: dict[str, tenancy.Tenant], script: str
) -> None:
    """P19: `POST /runs` has no grace."""
    agent = portal.scripted(script)

    async def hang_up() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", portal.web().port)
        writer.write(request(portal, f"/agents/{agent.agent_id}/runs"))
        await writer.drain()
        await asyncio.to_thread(portal.provider.wait, lambda found: found["inflight"] == 1, agent.model, 10)
        writer.transport.abort()

    asyncio.run(hang_up())
    assert aborted_after(portal, agent, 10) < SOON
    wait_for(lambda: rows(tenants["acme"], agent_id=agent.agent_id), 20)
    (found,) = rows(tenants["acme"], agent_id=agent.agent_id)
    assert (found.status, found.usage_estimated) == ("cancelled", True)
    assert found.input_tokens > 0


@pytest.mark.promise
def test_p19_stream__reader_gone__outlived_by_fifteen_seconds_and_no_more(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    """P19: however a reader leaves, its run is cancelled after the grace; one that comes back keeps it alive."""
    portal.web(1)
    leaving: dict[str, Callable[[Portal, Scripted], str]] = {
        "post": leave_post, "event source": leave_event_source, "socket": leave_socket, "elsewhere": leave_elsewhere,
        "stalled": leave_stalled,
    }  # fmt: skip
    agents = {how: portal.scripted(LARGE if how == "stalled" else ENDLESS) for how in leaving}
    kept, queued = portal.scripted(ENDLESS), portal.scripted("chunks=2000,interval=10,ptok=7")
    with portal.client() as client:
        path = f"/agents/{queued.agent_id}/runs"
        client.post(path, json={"input": "x"}, headers={"Prefer": "respond-async"})
    portal.provider.wait(lambda found: found["inflight"] == 1, queued.model, 30)
    kept_run = leave_post(portal, kept)
    with ThreadPoolExecutor(len(leaving)) as pool:
        lost = {how: pool.submit(measured, portal, agents[how], leave) for how, leave in leaving.items()}
        time.sleep(GRACE - 6)
        with portal.client(web=portal.web(1)) as client, Stream(client, f"/runs/{kept_run}/stream") as stream:
            stream.take(3)
            for how, future in lost.items():
                run_id, seconds = future.result(60)
                assert GRACE - 1 < seconds < GRACE + SOON, how
                check_partial(row(tenants["acme"], run_id))
            time.sleep(1.5)
            assert portal.provider.stats(kept.model)["inflight"] == 1
            client.post(f"/runs/{kept_run}/cancel")
    assert portal.provider.stats(queued.model)["aborted"] == 0
    portal.provider.wait(lambda found: found["completed"] == 1, queued.model, 20)


def measured(portal: Portal, agent: Scripted, leave: Callable[[Portal, Scripted], str]) -> tuple[str, float]:
    """Let a reader come and go; return its run and how long the run outlived it."""
    run_id = leave(portal, agent)
    began = time.monotonic()
    aborted_after(portal, agent, GRACE + 12)
    return run_id, time.monotonic() - began


def leave_post(portal: Portal, agent: Scripted) -> str:
    with (
        portal.client() as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        return stream.take(3)[0].run_id


def leave_event_source(portal: Portal, agent: Scripted) -> str:
    with portal.client() as client, Stream(client, f"/agents/{agent.agent_id}/stream?input=x") as stream:
        return stream.take(3)[0].run_id


def leave_stalled(portal: Portal, agent: Scripted) -> str:
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", portal.web().port))
        reader.sendall(request(portal, f"/agents/{agent.agent_id}/stream"))
        heard = b""
        while not (run_id := re.search(rb'"run_id":"([0-9a-f-]{36})"', heard)):
            heard += reader.recv(4096)
        time.sleep(6)
    return run_id[1].decode()


def leave_socket(portal: Portal, agent: Scripted) -> str:
    url = f"ws://127.0.0.1:{portal.web().port}/ws/agents/{agent.agent_id}/"
    headers = {"Host": f"{portal.host('acme')}:{portal.web().port}", "X-API-Key": portal.key("acme")}
    with connect(url, additional_headers=headers) as opened:
        opened.send(json.dumps({"type": "run", "input": "x"}))
        first: dict[str, Any] = json.loads(opened.recv(10))
        return str(first["data"]["run_id"])


def leave_elsewhere(portal: Portal, agent: Scripted) -> str:
    run_id = leave_post(portal, agent)
    with portal.client(web=portal.web(1)) as client, Stream(client, f"/runs/{run_id}/stream") as stream:
        stream.take(3)
    return run_id

"""P17: a server dies in the middle of a stream. Readers go on elsewhere: not a character missing, none twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx2 as httpx
import pytest

from qualisys import tenancy
from tests.conftest import FULL
from tests.execution_log import row, rows
from tests.portal import Portal, Process, Scripted
from tests.sse import Event, Stream, text_of

#: Servers killed: half of them executed the run, half only relayed it.
KILLS = 200 if FULL else 4
AT_ONCE = 4
TEXT = "".join(f"{number:04d} 𝄞🎈👩‍👧 e\u0301\r\n" for number in range(400))


@pytest.fixture(scope="module")
def agent(portal: Portal) -> Scripted:
    portal.provider.control(answers={"long": TEXT})
    return portal.scripted("named=long,chunks=1200,interval=5", max_tokens_per_invocation=5000)


def read_until_death(stream: Stream) -> Iterator[Event]:
    """Yield events until the server is gone."""
    with suppress(httpx.TransportError, AssertionError):
        yield from stream


def resumed(portal: Portal, seen: list[Event]) -> list[Event]:
    """Reconnect at the process that lives, with the last id, and read to the end."""
    path = f"/runs/{seen[0].run_id}/stream"
    with portal.client() as client, Stream(client, path, last=seen[-1].id) as stream:
        return list(stream)


def read_and_kill(portal: Portal, web: Process, executing: bool, agent: Scripted) -> list[Event]:
    """Follow a run through `web`, kill it after a random while, and return all that a reader ever saw."""
    with ExitStack() as stack:
        doomed, living = (stack.enter_context(portal.client(web=each)) for each in (web, None))
        stream = stack.enter_context(
            Stream(doomed if executing else living, f"/agents/{agent.agent_id}/stream", {"input": "x"})
        )
        seen = stream.take(2)
        if not executing:
            stream = stack.enter_context(Stream(doomed, f"/runs/{seen[0].run_id}/stream", last=seen[-1].id))
        seen += stream.take(random.randint(1, 60))
        web.kill()
        seen += read_until_death(stream)
    return seen + resumed(portal, seen)


def check_order(seen: list[Event]) -> None:
    positions = [event.position for event in seen]
    assert positions == sorted(set(positions))
    assert seen[0].name == "run.started"


def check_relayed(tenant: tenancy.Tenant, seen: list[Event]) -> None:
    check_order(seen)
    assert text_of(seen) == TEXT == seen[-1].data["output"]
    assert row(tenant, seen[0].run_id).status == "success"
    assert len(rows(tenant, id=seen[0].run_id)) == 1


def check_executed(portal: Portal, tenant: tenancy.Tenant, seen: list[Event]) -> None:
    check_order(seen)
    run_id, text = seen[0].run_id, text_of(seen)
    assert [event.name for event in seen].count("run.failed") == 1
    assert (seen[-1].name, seen[-1].data["problem"]["code"]) == ("run.failed", "worker_lost")
    assert TEXT.startswith(text)
    found = row(tenant, run_id)
    assert (found.status, found.error_code, found.usage_estimated) == ("error", "worker_lost", True)
    assert len(rows(tenant, id=run_id)) == 1
    with portal.client() as client:
        run = client.get(f"/runs/{run_id}").json()
        with Stream(client, f"/runs/{run_id}/stream") as stream:
            again = list(stream)
    assert (run["status"], run["problem"]["code"]) == ("failed", "worker_lost")
    assert text_of(again) == run["output"]
    assert text.startswith(run["output"]) or run["output"].startswith(text)
    assert [event.name for event in again].count("run.failed") == 1


@pytest.mark.promise
def test_p17_server__killed_mid_stream__readers_continue_and_the_log_has_one_row(
    portal: Portal, tenants: dict[str, tenancy.Tenant], agent: Scripted
) -> None:
    """P17: if it only relayed, the identical text goes on; if it executed, one `run.failed` (`worker_lost`)."""
    kinds = [False, True] * (AT_ONCE // 2)
    for _ in range(KILLS // AT_ONCE):
        doomed = portal.new_webs(AT_ONCE)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(lambda web, kind: read_and_kill(portal, web, kind, agent), doomed, kinds))
        for executing, events in zip(kinds, seen, strict=True):
            if executing:
                check_executed(portal, tenants["acme"], events)
            else:
                check_relayed(tenants["acme"], events)


@pytest.mark.promise
def test_p17_run__asked_for_directly__its_server_killed__is_ended_by_the_reaper(
    portal: Portal, tenants: dict[str, tenancy.Tenant], agent: Scripted
) -> None:
    """P17: nobody streamed; still one row, and `GET /runs/{id}` tells."""
    (doomed,) = portal.new_webs(1)
    with portal.client(web=doomed) as client, ThreadPoolExecutor(1) as pool:
        lone = portal.scripted("hang=1")
        call = pool.submit(client.post, f"/agents/{lone.agent_id}/runs", json={"input": "x"})
        portal.provider.wait(lambda found: found["inflight"] == 1, lone.model, 10)
        with portal.client() as other:
            (run,) = other.get("/runs", params={"agent_id": lone.agent_id}).json()["items"]
        assert run["status"] == "running"
        doomed.kill()
        assert isinstance(call.exception(10), httpx.TransportError)
    found = row(tenants["acme"], run["run_id"])
    assert (found.status, found.error_code) == ("error", "worker_lost")
    with portal.client() as client:
        assert client.get(f"/runs/{run['run_id']}").json()["status"] == "failed"
        assert client.post(f"/runs/{run['run_id']}/cancel").status_code == 409

"""P18: readers that stop reading cost bounded memory, and others hardly notice them."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.conftest import FULL
from tests.portal import Portal, Process, Scripted
from tests.sse import Stream, text_of

READERS = 500 if FULL else 60
SAMPLES = 300 if FULL else 60
#: Bytes of text in the run that nobody reads, and what one stalled reader may cost the process.
TEXT = 6_000_000
PER_READER = 512 * 1024
#: Growth of the others' p99.
GROWTH = 1.10 if FULL else 10


@pytest.fixture
def web(portal: Portal) -> Iterator[Process]:
    (started,) = portal.new_webs(1)
    yield started
    started.stop()


@contextmanager
def stalled(portal: Portal, web: Process, run_id: str, count: int) -> Iterator[list[socket.socket]]:
    """Attach readers that ask for the stream and never read it."""
    who = f"Host: {portal.host('acme')}\r\nX-API-Key: {portal.key('acme')}"
    ask = f"GET /api/v1/runs/{run_id}/stream HTTP/1.1\r\n{who}\r\n\r\n"
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", web.port))
            reader.sendall(ask.encode())
            sockets.append(reader)
        yield sockets


def p99(portal: Portal, web: Process, agent: Scripted) -> float:
    """Return the 99th percentile of a short run's duration, in seconds."""
    times = []
    with portal.client(web=web) as client:
        for _ in range(20 + SAMPLES):
            began = time.perf_counter()
            assert client.post(f"/agents/{agent.agent_id}/runs", json={"input": "x"}).status_code == 201
            times.append(time.perf_counter() - began)
    return statistics.quantiles(times[20:], n=100)[98]


def resident(web: Process) -> int:
    return int(psutil.Process(web.pid).memory_info().rss)


@pytest.mark.promise
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_p18_readers__that_stall__cost_bounded_memory_and_others_little(
    portal: Portal, web: Process, where: str
) -> None:
    """P18: attached to a run of 6 MB, executed here or elsewhere, while it runs and when it has ended."""
    # More text than the kernel holds for a connection, in pieces spread over a few seconds.
    agent = portal.scripted(f"chunks={TEXT // 2000},size=2000,interval=2", max_tokens_per_invocation=200_000)
    short = portal.scripted("chunks=3")
    executing = web if where == "here" else portal.web()
    before = p99(portal, web, short)
    attached(portal, web, executing, agent, 0)
    empty = resident(web)
    text, grown, during = attached(portal, web, executing, agent, READERS, short)
    grown -= empty
    print(f"p99 {before * 1000:.1f} -> {during * 1000:.1f} ms, {grown / READERS / 1024:.0f} KB per reader")
    assert len(text) <= TEXT
    assert grown < 2 * TEXT + READERS * PER_READER
    assert during < before * GROWTH + (0 if FULL else 0.5)


def attached(
    portal: Portal,
    web: Process,
    executing: Process,
    agent: Scripted,
    readers: int,
    short: Scripted | None = None,
) -> tuple[str, int, float]:
    """Follow a run while readers stall from its start, and some more once it has ended.

    Return its text, the memory of the process then, and how long `short` runs take beside it.
    """
    with ExitStack() as stack:
        client = stack.enter_context(portal.client(web=executing))
        stream = stack.enter_context(Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}))
        run_id = stream.take(2)[0].run_id
        stack.enter_context(stalled(portal, web, run_id, readers))
        text = text_of(stream)
        late = stack.enter_context(stalled(portal, web, run_id, readers // 20))
        time.sleep(2)
        during = p99(portal, web, short) if short else 0
        memory = resident(web)
        assert not late or read_on(late[0]) > TEXT
    return text, memory, during


def read_on(reader: socket.socket) -> int:
    """Read what a stalled reader has missed and return how many bytes came, up to the end of the stream."""
    reader.settimeout(10)
    total, tail = 0, b""
    while b"run.completed" not in tail:
        data = reader.recv(1 << 16)
        assert data, "the stream broke off"
        total += len(data)
        tail = tail[-100:] + data
    return total

"""What a stream holds while it is open: no database connection; and what keeps it open."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
from django.db import connections

from qualisys import tenancy
from tests.portal import Portal, wait_for
from tests.sse import Stream

STREAMS = 40


def working() -> int:
    """Return how many sessions of the database are inside a transaction or a query, this one left out."""
    with tenancy.use(tenancy.platform("look at sessions")), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() AND datname = current_database() AND state <> 'idle'"
        )
        (count,) = cursor.fetchone()
        return int(count)


def test_stream__forty_at_once__hold_no_database_connection(portal: Portal, database: None) -> None:
    agent = portal.scripted("stall=3")
    (web,) = portal.new_webs(1)
    with ExitStack() as stack:
        client = stack.enter_context(portal.client(web=web))
        for _ in range(STREAMS):
            stream = Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"})
            assert stack.enter_context(stream).take(2)[0].name == "run.started"
        wait_for(lambda: working() == 0, 5, "idle sessions")
        port = connections["default"].settings_dict["PORT"]
        held = [
            each
            for each in psutil.Process(web.pid).net_connections()
            if each.raddr and each.raddr.port == int(port)
        ]
        assert len(held) <= 10
        # More readers of the database than the pool has connections beside them.
        with ThreadPoolExecutor(30) as pool, portal.client(web=web) as other:
            answers = list(pool.map(lambda _: other.get("/runs", params={"limit": 1}).status_code, range(60)))
        assert answers == [200] * 60
    web.stop()


def test_stream__nothing_to_say__beats_every_fifteen_seconds_and_stays(portal: Portal) -> None:
    agent = portal.scripted("chunks=2,ttft=17500", timeout_seconds=60).agent_id
    with portal.client() as client, Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
        began = time.monotonic()
        events = stream.until("run.completed")
    assert [14 < at - began < 17 for at in stream.comments] == [True]
    assert events[-1].data["status"] == "completed"


def test_stream__session_ended_while_it_is_open__closed_within_five_seconds(portal: Portal) -> None:
    agent = portal.scripted("stall=2")
    token = portal.fresh_token("acme", "dev")["access"]
    with portal.client(role=None, Authorization=f"Bearer {token}") as client:
        with Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream:
            run_id = stream.take(2)[0].run_id
            assert client.post("/auth/logout").status_code in (200, 204)
            began = time.monotonic()
            assert not [event for event in stream if event.name.startswith("run.")]
            assert time.monotonic() - began < 5
        assert client.get(f"/runs/{run_id}/stream").status_code == 401
    with portal.client(role="admin") as client:
        assert client.post(f"/runs/{run_id}/cancel").status_code == 202

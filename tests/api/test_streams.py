"""Server-sent events: the wire, attaching, resuming anywhere, replaying what is long over."""

from __future__ import annotations

import random
import re

import pytest

from qualisys import tenancy
from tests.execution_log import forget, row
from tests.portal import Portal
from tests.sse import Event, Stream, text_of

#: Text that a careless wire would break: frames, line ends of every kind, characters of up to four bytes, marks.
TRICKY = 'data: x\n\nid: 7\r\n\r: no \u2028\u2029\x85\x0b "quotes" \\n 𝄞🎈👩‍👩‍👧 e\u0301 שלום ' * 40


@pytest.fixture(scope="module")
def run_of(portal: Portal) -> tuple[str, list[Event]]:
    """Return an agent and the events of a finished streamed run."""
    portal.provider.control(answers={"tricky": TRICKY})
    agent = portal.scripted("named=tricky,chunks=200,interval=1").agent_id
    with portal.client() as client, Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
        return agent, list(stream)


@pytest.mark.parametrize("last", ["nonsense", "1", "-", "x-1", "01a1f87b-a436-7a8b-a961-43ebcc561166-x"])
def test_attach__last_event_id_that_is_none__refused(
    portal: Portal, run_of: tuple[str, list[Event]], last: str
) -> None:
    agent, events = run_of
    for path in (f"/runs/{events[0].run_id}/stream", f"/agents/{agent}/stream?input=x"):
        with portal.client() as client:
            answer = client.get(path, headers={"Last-Event-ID": last})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Last-Event-ID")


def test_attach__id_of_another_run__refused(portal: Portal, run_of: tuple[str, list[Event]]) -> None:
    with portal.client() as client:
        last = {"Last-Event-ID": "01a1f87b-a436-7a8b-a961-43ebcc561166-5"}
        answer = client.get(f"/runs/{run_of[1][0].run_id}/stream", headers=last)
        none = client.get(f"/agents/{run_of[0]}/stream?input=x", headers=last)
    assert (answer.status_code, none.status_code) == (422, 404)


@pytest.mark.parametrize(("tenant", "role", "status"), [("globex", "owner", 404), ("acme", None, 401)])
def test_attach__not_ones_own__refused(
    portal: Portal, run_of: tuple[str, list[Event]], tenant: str, role: str | None, status: int
) -> None:
    with portal.client(tenant, role) as client:
        assert client.get(f"/runs/{run_of[1][0].run_id}/stream").status_code == status


def test_stream__refused_before_it_starts__answers_the_problems_status(portal: Portal) -> None:
    with portal.client() as client:
        for answer in (
            client.post("/agents/no-such-agent/stream", json={"input": "x"}),
            client.get("/agents/no-such-agent/stream?input=x"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "agent_not_found")
        assert client.get("/agents/baconsultant/stream").status_code == 422


def test_stream__wire__is_as_the_contract_says(portal: Portal) -> None:
    agent = portal.scripted("chunks=3").agent_id
    with portal.client() as client:
        answer = client.post(f"/agents/{agent}/stream", json={"input": "x"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert "no-cache" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
    frames = answer.content.split(b"\n\n")
    assert frames.pop() == b""
    for frame in frames:
        assert re.fullmatch(rb"id: [0-9a-f-]{36}-\d+\nevent: [a-z.]+\ndata: \{.*\}", frame), frame


def test_stream__events__in_order_with_growing_numbers(run_of: tuple[str, list[Event]]) -> None:
    agent, events = run_of
    names = [event.name for event in events]
    positions = [event.position for event in events]
    assert (names[0], *names[-2:]) == ("run.started", "usage", "run.completed")
    assert set(names[1:-2]) == {"delta"}
    assert positions == sorted(set(positions))
    assert {"run_id", "agent_id", "version"} <= set(events[0].data)
    assert (events[0].data["agent_id"], events[0].data["run_id"]) == (agent, events[0].run_id)
    assert text_of(events) == TRICKY == events[-1].data["output"]
    assert {"status", "output", "tokens_used", "execution_time_ms"} <= set(events[-1].data)


@pytest.mark.parametrize("web", [0, 1])
@pytest.mark.parametrize("source", ["redis", "database"])
def test_attach__to_a_finished_run__replays_from_any_position(
    portal: Portal, tenants: dict[str, tenancy.Tenant], run_of: tuple[str, list[Event]], source: str, web: int
) -> None:
    _, events = run_of
    run_id = events[0].run_id
    if source == "database":
        row(tenants["acme"], run_id)
        forget(run_id)
    with portal.client(web=portal.web(web)) as client:
        for position in (0, 1, 2, 500, len(TRICKY), len(TRICKY) + 1, events[-2].position):
            last = f"{run_id}-{position}" if position else ""
            with Stream(client, f"/runs/{run_id}/stream", last=last) as stream:
                again = list(stream)
            assert text_of(again) == TRICKY[max(position - 1, 0) :]
            assert again[-1] == events[-1]
            assert (again[0].name == "run.started") == (position == 0)
        with Stream(client, f"/runs/{run_id}/stream", last=events[-1].id) as stream:
            assert list(stream) == []


def test_event_source__reconnects_after_the_end__is_told_to_stop(
    portal: Portal, tenants: dict[str, tenancy.Tenant]
) -> None:
    agent = portal.scripted("chunks=3")
    with portal.client() as client:
        with Stream(client, f"/agents/{agent.agent_id}/stream?input=x") as stream:
            events = list(stream)
        path, last = f"/agents/{agent.agent_id}/stream?input=x", {"Last-Event-ID": events[-1].id}
        assert client.get(path, headers=last).status_code == 204
        row(tenants["acme"], events[0].run_id)
        forget(events[0].run_id)
        assert client.get(path, headers=last).status_code == 204
    assert portal.provider.stats(agent.model)["requests"] == 1


def test_event_source__reconnects__attaches_and_never_starts_another(portal: Portal) -> None:
    agent = portal.scripted("chunks=150,interval=10")
    path = f"/agents/{agent.agent_id}/stream?input=x"
    with portal.client() as client, portal.client(web=portal.web(1)) as elsewhere:
        with Stream(client, path) as stream:
            events = stream.take(10)
        for place in (elsewhere, client, elsewhere):
            with Stream(place, path, last=events[-1].id) as stream:
                events += stream.take(10)
        with Stream(client, path, last=events[-1].id) as stream:
            events += list(stream)
    assert text_of(events) == events[-1].data["output"]
    assert [event.name for event in events].count("run.started") == 1
    assert portal.provider.stats(agent.model)["requests"] == 1


def test_stream__reader_cut_at_random__no_gap_and_no_repeat(portal: Portal) -> None:
    portal.provider.control(answers={"tricky": TRICKY})
    agent = portal.scripted("named=tricky,chunks=600,interval=5").agent_id
    dice = random.Random(17)
    with portal.client() as client, portal.client(web=portal.web(1)) as elsewhere:
        with Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
            events = stream.take(1)
        path = f"/runs/{events[0].run_id}/stream"
        while events[-1].name != "run.completed":
            with Stream(dice.choice([client, elsewhere]), path, last=events[-1].id) as stream:
                for event in stream:
                    events.append(event)
                    if dice.random() < 0.05:
                        break
    assert text_of(events) == TRICKY
    positions = [event.position for event in events]
    assert positions == sorted(set(positions))


def test_stream__repeated_with_its_key__joins_the_run(portal: Portal) -> None:
    agent = portal.scripted("chunks=100,interval=10")
    key = {"Idempotency-Key": f"stream-{agent.agent_id}"}
    path, body = f"/agents/{agent.agent_id}/stream", {"input": "x"}
    with (
        portal.client() as client,
        portal.client(web=portal.web(1)) as elsewhere,
        Stream(client, path, body, **key) as first,
        Stream(elsewhere, path, body, **key) as second,
    ):
        assert text_of(list(second)) == text_of(list(first)) != ""
    assert portal.provider.stats(agent.model)["requests"] == 1

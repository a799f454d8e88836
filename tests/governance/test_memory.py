"""A run that is over is gone: looking for cycles once in a while stood still for a fifth of a second."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from tests.portal import Portal, wait_for
from tests.sse import Stream

RUNS = 20


@pytest.mark.parametrize(
    "conduct", [{}, {"gap_seconds": 60, "first_token_seconds": 60}], ids=["plain", "watched"]
)
def test_run__over__is_held_by_nothing(portal: Portal, conduct: dict[str, int]) -> None:
    agent = portal.scripted("chunks=3").agent_id
    with portal.client(None) as platform:
        assert platform.put(f"/admin/agents/{agent}/limits", json=conduct).status_code == 200
    (web,) = portal.new_webs(1, "tests.hoarding:application")

    def held() -> int:
        return int(httpx.get(f"http://127.0.0.1:{web.port}/held").text)

    with portal.client(web=web) as client:
        for _ in range(RUNS):
            assert client.post(f"/agents/{agent}/runs", json={"input": "x"}).status_code == 201
            with Stream(client, f"/agents/{agent}/stream", {"input": "x"}) as stream:
                stream.until("run.completed")
    wait_for(lambda: held() <= 1, 5, f"the end of {2 * RUNS} runs")
    web.stop()

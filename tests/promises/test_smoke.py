from __future__ import annotations

from tests.portal import Portal


def test_run__through_the_portal__is_answered(portal: Portal) -> None:
    agent = portal.register(llm_model="any@chunks=5")
    with portal.client("acme") as client:
        answer = client.post(f"/agents/{agent}/runs", json={"input": "hello"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "completed"

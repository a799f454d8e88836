"""Whatever a model says: the run ends, can be read again, and its log row is never lost."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import pytest
import redis

from tests.connections import as_platform, column
from tests.portal import Portal, wait_for
from tests.promises.garbage import ANSWERS

pytestmark = pytest.mark.promise


@pytest.mark.parametrize("schema", [{}, {"type": "object"}], ids=["text", "structured"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_model__answering_hostile_text__costs_no_log_row(
    portal: Portal, answer: str, schema: dict[str, Any]
) -> None:
    """P33: whatever a model says, the run ends, can be read from the database, and is in the log."""
    name = f"hostile-{uuid4().hex}"
    portal.provider.control(answers={name: ANSWERS[answer]})
    agent = portal.scripted(f"named={name}", output_schema=schema).agent_id
    with portal.client("acme") as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()["run_id"]
        with as_platform() as connection:
            logged = "SELECT count(*) FROM agent_execution_log WHERE id = %s"
            wait_for(lambda: column(connection, logged, run) == [1], 10, "the log row")
        redis.Redis.from_url(os.environ["REDIS_URL"]).delete(f"result:{run}")
        assert client.get(f"/runs/{run}").json()["status"] in ("completed", "failed")
        assert client.get("/runs").status_code == 200

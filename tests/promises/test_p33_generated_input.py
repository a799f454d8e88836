"""Schemathesis over the whole description of the API: what it generates meets what the description says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FULL
from tests.connections import as_platform
from tests.portal import ROOT, Portal

pytestmark = pytest.mark.promise

SECONDS = 300 if FULL else 15
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection,unsupported_method"
)


def registry() -> list[object]:
    """The built-in agents and what is served of them."""
    with as_platform() as connection:
        query = """SELECT d.agent_id, d.enabled, d.name, d.required_roles, v.version, v.status, v.rollout_percentage
                   FROM agent_definitions d JOIN agent_versions v ON v.agent_id = d.agent_id
                   WHERE d.type = 'builtin' ORDER BY 1, 5"""
        return list(connection.execute(query).fetchall())


def failures(report: str) -> str:
    """The report without its longest lines: generated bodies may be whole prompts."""
    return "\n".join(line[:600] for line in report.splitlines())[-6000:]


def said(portal: Portal) -> str:
    """What the web process logged of requests that failed."""
    lines = portal.webs[0].log.read_text(errors="replace").splitlines()
    return "\n".join(line[:4000] for line in lines if '"level": "error"' in line)[-6000:]


@pytest.mark.parametrize("of", ["acme", None], ids=["tenant", "platform"])
def test_api__generated_requests__conform(portal: Portal, tmp_path: Path, of: str | None) -> None:
    """P33: no 500, and every answer, refusals included, is one that the description announces."""
    before = registry()
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run",
        f"http://127.0.0.1:{portal.webs[0].port}/api/v1/openapi.json",
        "--header", f"Host: {portal.host(of)}:{portal.webs[0].port}", "--header", f"X-API-Key: {portal.key(of)}",
        "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "1000" if FULL else "25",
        "--max-time", str(SECONDS), "--generation-database", "none", "--warnings", "off", "--no-color",
    ]  # fmt: skip
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.promises.hostile", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=SECONDS + 120
    )
    assert done.returncode == 0, f"{failures(done.stdout)}\n{done.stderr[-2000:]}\n{said(portal)}"
    assert registry() == before, "it changed what the other tests stand on"

"""Role x built-in agent, as the product says: what one may run, what one may only read, what one never sees."""

from __future__ import annotations

import pytest

from qualisys import roles
from tests.portal import Portal

pytestmark = pytest.mark.promise

AGENTS = (
    "baconsultant", "qaconsultant", "automationconsultant", "logreader", "securityscanner", "performanceagent",
    "dbconsultant",
)  # fmt: skip

#: run = may run and read; read = sees it and its runs; none = does not exist.
MATRIX: dict[str, str] = {
    "owner":              "run  run  run  run  run  run  run",
    "admin":              "run  run  run  run  run  run  run",
    "pm_csm":             "run  read read run  read read read",
    "qa_automation":      "read run  run  run  run  run  run",
    "qa_manual":          "read run  none read none none none",
    "dev":                "none read run  run  run  run  run",
    "viewer":             "none none none read none read read",
    "client_stakeholder": "none none none none none none none",
}  # fmt: skip

CELLS = [
    (role, agent, cell)
    for role, row in MATRIX.items()
    for agent, cell in zip(AGENTS, row.split(), strict=True)
]


def test_matrix__has_every_role() -> None:
    """P06: a new role needs its row."""
    assert set(MATRIX) == set(roles.ROLES)


@pytest.mark.parametrize(("role", "agent", "cell"), [each for each in CELLS if each[2] == "none"])
def test_agent__that_the_role_does_not_see__does_not_exist(
    portal: Portal, role: str, agent: str, cell: str
) -> None:
    """P06: none means 404 wherever it is asked for, never 403."""
    with portal.client("acme", role) as client:
        answers = [
            client.get(f"/agents/{agent}"),
            client.post(f"/agents/{agent}/runs", json={"input": "hello"}),
            client.post(f"/agents/{agent}/stream", json={"input": "hello"}),
            client.get(f"/agents/{agent}/stream", params={"input": "hello"}),
        ]
    if role == "client_stakeholder":
        # This role has no agents at all: the door says so before any agent is named.
        assert {answer.status_code for answer in answers} == {403}
        return
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "agent_not_found")] * 4


@pytest.mark.parametrize(("role", "agent", "cell"), [each for each in CELLS if each[2] == "read"])
def test_agent__that_the_role_may_only_read__is_not_run(
    portal: Portal, role: str, agent: str, cell: str
) -> None:
    """P06: visible, and every way to run it answers 403."""
    with portal.client("acme", role) as client:
        assert client.get(f"/agents/{agent}").json()["may_run"] is False
        answers = [
            client.post(f"/agents/{agent}/runs", json={"input": "hello"}),
            client.post(
                f"/agents/{agent}/runs", json={"input": "hello"}, headers={"Prefer": "respond-async"}
            ),
            client.post(f"/agents/{agent}/stream", json={"input": "hello"}),
            client.get(f"/agents/{agent}/stream", params={"input": "hello"}),
        ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(403, "permission_denied")] * 4


@pytest.mark.parametrize(("role", "agent", "cell"), [each for each in CELLS if each[2] == "run"])
def test_agent__that_the_role_may_run__runs(portal: Portal, role: str, agent: str, cell: str) -> None:
    """P06: the run gets as far as the model, whose canned answer has not the agent's schema."""
    with portal.client("acme", role) as client:
        assert client.get(f"/agents/{agent}").json()["may_run"] is True
        answer = client.post(f"/agents/{agent}/runs", json={"input": "hello"})
    assert answer.json()["code"] == "output_schema_violation", answer.text


@pytest.mark.parametrize("role", [role for role in MATRIX if role != "client_stakeholder"])
def test_discovery__lists_exactly_what_the_role_sees(portal: Portal, role: str) -> None:
    """P06: discovery omits what the API answers 404 for, and says what may be run."""
    with portal.client("acme", role) as client:
        cards = {each["agent_id"]: each["may_run"] for each in client.get("/agents").json()["items"]}
    expected = {agent: cell == "run" for who, agent, cell in CELLS if who == role and cell != "none"}
    assert {agent: may for agent, may in cards.items() if agent in AGENTS} == expected

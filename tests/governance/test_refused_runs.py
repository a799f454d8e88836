"""Runs that the guard refused: what a member is told about them, and where they are found again."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from agents.limits.numbers import Numbers
from agents.limits.services import set_limits
from governance.health import refusals
from qualisys import tenancy
from tests import execution_log, pages
from tests.people import SYSTEM
from tests.portal import Portal, wait_for

pytestmark = pytest.mark.usefixtures("database")

#: One run uses 850 tokens of the 1000 that a day has: 85 %, and no second one is covered.
SCRIPT, A_DAY = "ptok=800,ctok=50", 1000


@pytest.fixture(scope="module")
def spent(portal: Portal, tenants: dict[str, tenancy.Tenant]) -> tuple[str, str]:
    """An agent that used 85 % of its day, and the id of the run that was refused after that."""
    agent = portal.scripted(SCRIPT, max_tokens_per_invocation=A_DAY).agent_id
    with tenancy.use(tenancy.platform("tests")):
        set_limits(actor=SYSTEM, agent_id=agent, numbers=Numbers(daily_tokens=A_DAY))
    with portal.client() as client:
        first = client.post(f"/agents/{agent}/runs", json={"input": "x"})
        assert first.status_code == 201, first.text
        second = client.post(f"/agents/{agent}/runs", json={"input": "no more"})
    assert (second.status_code, second.json()["code"]) == (429, "token_budget_exceeded")
    execution_log.row(tenants["acme"], second.json()["run_id"])
    return agent, second.json()["run_id"]


def shape(**problem: Any) -> dict[str, Any]:
    return {"status": "failed", "problem": problem or None}


@pytest.mark.parametrize(
    ("run", "refused"),
    [(shape(), False), (shape(code="provider_error", scope="x"), False), (shape(code="rate_limited"), False),
     (shape(code="rate_limited", scope="provider"), True), (shape(code="agent_circuit_open", scope="agent"), True),
     ({"status": "running", "problem": None}, False)],
    ids=["no problem", "other code", "provider limit amid a run", "provider limit before", "circuit", "under way"],
)  # fmt: skip
def test_refusal__is_told_from_failures(run: dict[str, Any], refused: bool) -> None:
    assert refusals.is_refused(run) == refused
    assert refusals.has_status(run, "refused") == refused


@pytest.mark.parametrize("query", ["status=refused", "status=failed"])
def test_list__by_status__has_the_refused_run_and_not_the_one_that_ran(
    portal: Portal, spent: tuple[str, str], query: str
) -> None:
    agent, run_id = spent
    with portal.client() as client:
        items = client.get(f"/runs?agent_id={agent}&{query}").json()["items"]
        others = client.get(f"/runs?agent_id={agent}&status=completed").json()["items"]
    assert [item["run_id"] for item in items] == [run_id]
    assert len(others) == 1


def test_list__refused__leaves_out_what_began_and_failed(portal: Portal) -> None:
    agent = portal.scripted("status=500").agent_id
    with portal.client() as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "x"}).json()["run_id"]
        wait_for(lambda: client.get(f"/runs?agent_id={agent}&status=failed").json()["items"], 20, "the run")
        assert client.get(f"/runs?agent_id={agent}&status=refused").json()["items"] == []
        assert client.get(f"/runs/{run}").json()["status"] == "failed"


def test_other_tenant__does_not_find_it(portal: Portal, spent: tuple[str, str]) -> None:
    with portal.client("globex") as client:
        assert client.get(f"/runs?agent_id={spent[0]}&status=refused").json()["items"] == []
    with pages.as_role(portal, "globex", "owner") as client:
        assert client.get(f"/runs/{spent[1]}/").status_code == 404


def test_pages__say_refused_and_why(portal: Portal, spent: tuple[str, str]) -> None:
    agent, run_id = spent
    with pages.as_role(portal, "acme", "owner") as client:
        rows = client.get(f"/runs/?agent={agent}&status=refused").text
        page = client.get(f"/runs/{run_id}/").text
        health = client.get("/settings/health/").text
    shown = [re.findall(r"</svg>\s*(Refused|Failed)</span>", text) for text in (rows, page)]
    assert shown == [["Refused"], ["Refused"]]
    assert "This agent in your organisation may use 1,000 tokens a day; 850 tokens are used" in page
    card = re.sub(r"(<[^>]+>|\s)+", " ", health.partition(f'id="agent-{agent}"')[2][:6000])
    assert "Over 80 %" in card
    assert "850 tokens of 1,000 tokens · 85.0 %" in card
    assert "1 Token budget used up" in card


def test_budget__that_passed_eighty_percent__is_listed_by_the_agents_name(
    portal: Portal, spent: tuple[str, str]
) -> None:
    name = spent[0].title()
    with pages.as_role(portal, "acme", "owner") as client:

        def listed() -> bool:
            text = re.sub(r"(<[^>]+>|\s)+", " ", client.get("/settings/health/").text)
            return f"{name} : 80 % of the tokens of the day used" in text

        wait_for(listed, 20, "the budget's event")
    with pages.as_role(portal, "globex", "owner") as client:
        assert "80 % of the tokens" not in client.get("/settings/health/").text


def test_unknown_status__finds_nothing(portal: Portal) -> None:
    with portal.client() as client:
        assert client.get(f"/runs?status={uuid4().hex}").json()["items"] == []

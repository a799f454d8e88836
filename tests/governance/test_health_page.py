"""The health page: who may see it, that it tells of one tenant alone, and what it says when something is wrong."""

from __future__ import annotations

import re

import httpx2 as httpx
import pytest

from tests import pages
from tests.portal import Portal, Scripted, wait_for

pytestmark = pytest.mark.usefixtures("database")


def card(client: httpx.Client, agent_id: str) -> str:
    """Return the text of an agent's card, or nothing where it has none."""
    answer = client.get("/settings/health/")
    assert answer.status_code == 200, answer.text[:500]
    _, _, after = answer.text.partition(f'id="agent-{agent_id}">')
    text = re.split(r'<li class="card health-card|id="health-quiet"|</main>', after)[0]
    return re.sub(r"(<[^>]+>|\s)+", " ", text)


def fail(portal: Portal, agent_id: str, tenant: str = "acme", times: int = 5) -> None:
    """Let an agent fail as often as opens its circuit."""
    with portal.client(tenant) as client:
        for _ in range(times):
            answer = client.post(f"/agents/{agent_id}/runs", json={"input": "x"})
            assert answer.status_code == 502, answer.text


@pytest.fixture(scope="module")
def broken(portal: Portal) -> Scripted:
    """An agent whose provider failed until its circuit opened, and one run that was refused for it."""
    agent = portal.scripted("status=500")
    fail(portal, agent.agent_id)
    with portal.client() as client:
        answer = client.post(f"/agents/{agent.agent_id}/runs", json={"input": "too late"})
        assert answer.json()["code"] == "agent_circuit_open"
    return agent


@pytest.mark.parametrize(
    ("role", "status"),
    [("pm_csm", 403), ("dev", 403), ("viewer", 403), ("qa_manual", 403), ("client_stakeholder", 403),
     ("qa_automation", 200), ("admin", 200), ("owner", 200)],
)  # fmt: skip
def test_page__by_role__hidden_is_forbidden_and_not_offered(portal: Portal, role: str, status: int) -> None:
    with pages.as_role(portal, "acme", role) as client:
        assert client.get("/settings/health/").status_code == status
        assert ("/settings/health/" in client.get("/settings/profile/").text) == (status == 200)


def test_page__without_a_session__leads_to_sign_in(portal: Portal) -> None:
    with pages.browser(portal) as client:
        assert client.get("/settings/health/").headers["Location"].startswith("/sign-in/")


def test_open_circuit__is_paused_with_its_reason_and_refusals(portal: Portal, broken: Scripted) -> None:
    with pages.as_role(portal, "acme", "owner") as client:
        wait_for(
            lambda: "Refused in 24 hours 1 Paused after failures" in card(client, broken.agent_id),
            20,
            "the refused run",
        )
        wait_for(lambda: "Paused: too many failures" in card(client, broken.agent_id), 20, "the change")
        text = card(client, broken.agent_id)
        assert re.search(r"Paused, tried again in \d+ s|Tried by the next run", text)
        assert "ast failure: The model provider failed" in text
        assert "errors 100.0 %" in text
        assert "of 5 runs" in text


def test_card_of_a_paused_agent__says_so_to_those_who_see_metrics(portal: Portal, broken: Scripted) -> None:
    with pages.as_role(portal, "acme", "owner") as owner, pages.as_role(portal, "acme", "dev") as dev:
        piece = (
            owner.get("/health/agents/")
            .text.partition(f'id="health-{broken.agent_id}"')[2]
            .split('id="health-')[0]
        )
        assert dev.get("/health/agents/").status_code == 403
    assert re.search(r"Paused, tried again in \d+ s|Tried by the next run", piece)


def test_other_tenant__sees_the_shared_circuit_and_nothing_of_the_runs(
    portal: Portal, broken: Scripted
) -> None:
    with pages.as_role(portal, "globex", "owner") as client:
        text = card(client, broken.agent_id)
    assert re.search("Paused|Tried by the next run", text)
    assert "errors" not in text
    assert "No run began in 24 hours" in text
    assert "status=refused" not in text


def test_customized_agent__that_fails__is_paused_for_its_own_tenant_only(portal: Portal) -> None:
    agent = portal.scripted("status=500").agent_id
    config = {"enabled": True, "custom_prompt": "Be brief and answer in one sentence, whatever is asked of you here.",
              "prompt_override_mode": "append"}  # fmt: skip
    with portal.client("acme", "owner") as client:
        answer = client.put(f"/tenant/agents/{agent}/config", json=config)
        assert answer.status_code == 200, answer.text
    fail(portal, agent)
    with pages.as_role(portal, "acme", "owner") as ours, pages.as_role(portal, "globex", "owner") as theirs:
        wait_for(lambda: "for your organisation alone" in card(ours, agent), 20, "the change")
        assert "Paused" in card(ours, agent)
        assert card(theirs, agent) == ""
        assert agent in theirs.get("/settings/health/").text


def test_agent_of_other_roles__is_not_on_the_page(portal: Portal) -> None:
    agent = portal.register(required_roles=["owner"])
    with pages.as_role(portal, "acme", "qa_automation") as client:
        assert agent not in client.get("/settings/health/").text
    with pages.as_role(portal, "acme", "owner") as client:
        assert agent in client.get("/settings/health/").text

"""Discovery by API: what a card says, and what it never says."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.portal import Portal, wait_for

CANARY = f"prompt canary {uuid4().hex}"


@pytest.fixture(scope="module")
def tag(portal: Portal) -> str:
    """A tag that two agents carry, one of them with a second one."""
    tag = f"tag-{uuid4().hex[:8]}"
    for more in ([], ["second"]):
        portal.register(
            tags=[tag, *more], system_prompt=CANARY, metadata={"note": CANARY}, description="Plain words."
        )
    return tag


def test_discovery__without_a_credential__refused(portal: Portal) -> None:
    with portal.client("acme", None) as client:
        assert client.get("/agents").status_code == 401


def test_discovery__never_shows_a_prompt(portal: Portal, tag: str) -> None:
    with portal.client("acme") as client:
        listing = client.get("/agents", params={"tag": tag})
        cards = listing.json()["items"]
        details = [client.get(f"/agents/{card['agent_id']}").text for card in cards]
    assert len(cards) == 2
    assert CANARY not in listing.text + "".join(details)
    assert set(cards[0]) == {
        "agent_id", "name", "description", "tags", "icon", "version", "may_run", "model_override",
    }  # fmt: skip


@pytest.mark.parametrize(("more", "count"), [([], 2), (["second"], 1), (["second", "third"], 0)])
def test_tags__repeated__narrow_down(portal: Portal, tag: str, more: list[str], count: int) -> None:
    with portal.client("acme") as client:
        page = client.get("/agents", params={"tag": [tag, *more]}).json()
    assert (len(page["items"]), page["next_cursor"]) == (count, None)


def test_discovery__is_in_order_of_names(portal: Portal) -> None:
    with portal.client("acme") as client:
        names = [card["name"] for card in client.get("/agents").json()["items"]]
    assert names == sorted(names)


def test_detail__says_what_one_needs_to_run_it(portal: Portal) -> None:
    with portal.client("acme", "pm_csm") as client:
        shown = client.get("/agents/baconsultant").json()
    assert (shown["version"], shown["structured"], shown["may_run"], shown["phase"]) == (
        "1.0.0",
        True,
        True,
        "mvp",
    )
    assert "pdf" in shown["input_types"]
    assert [gate["stage"] for gate in shown["approval_gates"]][:2] == ["after_run", "after_run"]


def test_disabled__is_gone_from_discovery_at_once(portal: Portal, tag: str) -> None:
    agent = portal.register(tags=[f"{tag}-off"])

    def count() -> int:
        with portal.client("acme") as client:
            return len(client.get("/agents", params={"tag": f"{tag}-off"}).json()["items"])

    assert count() == 1
    with portal.client(None) as client:
        client.delete(f"/admin/agents/{agent}")
    wait_for(lambda: count() == 0, 3, "the agent to be gone")


def test_metrics__of_the_own_tenant_by_version(portal: Portal) -> None:
    agent = portal.scripted("chunks=3").agent_id
    for tenant in ("acme", "acme", "globex"):
        with portal.client(tenant) as client:
            assert client.post(f"/agents/{agent}/runs", json={"input": "x"}).status_code == 201

    def shown(tenant: str) -> list[dict[str, object]]:
        with portal.client(tenant) as client:
            answer = client.get(f"/agents/{agent}/metrics").json()
        return list(answer["versions"])

    wait_for(lambda: sum(int(str(row["runs"])) for row in shown("acme")) == 2, 10, "the log")
    wait_for(lambda: sum(int(str(row["runs"])) for row in shown("globex")) == 1, 10, "the log")
    (row,) = shown("acme")
    assert (row["version"], row["error_rate"], row["timeouts"]) == ("1.0.0", 0.0, 0)

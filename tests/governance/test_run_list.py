"""Lists of runs narrowed to people and words: what must not be found first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync

from governance.models import Run
from governance.runs import selectors
from governance.runs.selectors import Filters
from qualisys import tenancy
from qualisys.ids import uuid7
from tenants.identity import Identity, Person
from tests import pages
from tests.portal import Portal

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def spare(tenants: dict[str, tenancy.Tenant]) -> Iterator[tenancy.Tenant]:
    with tenancy.use(tenants["spare_0"]):
        yield tenants["spare_0"]
        Run.objects.all().delete()


def member(spare: tenancy.Tenant, role: str = "viewer") -> Identity:
    return Identity(Person(uuid4(), "a@b.example", "A", role, ""), spare, "session", "")


def ran(user_id: UUID, text: str, agent_id: str = "logreader", **fields: Any) -> str:
    """Store an ended run and return its id."""
    row = Run.objects.create(
        id=uuid7(), agent_id=agent_id, version="1.0.0", version_reason="stable", content_hash="",
        conversation_id=uuid4(), user_id=user_id, status="completed", input=text, provider="openai", model="m",
        created_at=datetime.now(UTC), **fields,
    )  # fmt: skip
    return str(row.pk)


def found(identity: Identity, cursor: str | None = None, limit: int = 50, **filters: Any) -> list[str]:
    page = async_to_sync(selectors.list_runs)(
        identity, filters=Filters(**filters), cursor=cursor, limit=limit
    )
    return [run["run_id"] for run in page["items"]]


def test_people__of_agents_that_the_role_may_not_see__are_not_named(spare: tenancy.Tenant) -> None:
    viewer, seen, hidden = member(spare), uuid4(), uuid4()
    ran(seen, "x")
    ran(hidden, "x", agent_id="baconsultant")
    assert async_to_sync(selectors.people)(viewer) == {seen}


def test_person__whose_runs_may_not_be_seen__finds_nothing(spare: tenancy.Tenant) -> None:
    viewer, other = member(spare), uuid4()
    ran(other, "a secret", agent_id="baconsultant")
    own, shown = ran(viewer.user_id, "own words", agent_id="baconsultant"), ran(other, "shown")
    assert found(viewer, user_id=other) == [shown]
    assert found(viewer, user_id=viewer.user_id) == [own]
    assert found(viewer, text="secret") == []


@pytest.mark.parametrize("text", ["LOGIN page", "page login", "lögin"[:1] + "ogin PA", "%"])
def test_words__in_any_order_and_case__all_have_to_be_there(spare: tenancy.Tenant, text: str) -> None:
    viewer = member(spare)
    run = ran(uuid4(), "The login page, 100 % of it")
    ran(uuid4(), "The page of logs_out")
    assert found(viewer, text=text) == [run]


def test_words__of_a_runs_id__find_it(spare: tenancy.Tenant) -> None:
    viewer, run = member(spare), ran(uuid4(), "x")
    ran(uuid4(), "y")
    assert found(viewer, text=run[-8:]) == [run]
    assert found(viewer, text=run) == [run]


def test_words__far_down_in_a_request__are_not_looked_for(spare: tenancy.Tenant) -> None:
    ran(uuid4(), "x" * selectors.LOOKED_AT + " needle")
    assert found(member(spare), text="needle") == []


def test_search__beyond_the_stretch_of_one_page__goes_on_with_the_next(
    spare: tenancy.Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "SEARCHED", 3)
    viewer = member(spare)
    needles = [ran(uuid4(), f"needle {n}" if n % 4 == 0 else "hay") for n in range(9)][::4]
    collected, cursor, asked = [], None, 0
    while asked == 0 or cursor:
        page = async_to_sync(selectors.list_runs)(
            viewer, filters=Filters(text="needle"), cursor=cursor, limit=5
        )
        collected += [run["run_id"] for run in page["items"]]
        cursor, asked = page["next_cursor"], asked + 1
    assert collected == needles[::-1]
    assert asked <= 4


@pytest.mark.parametrize(
    "query", ["who=me", "who=%00", "q=%00", "status=%00&agent=x", "who=0123", "cursor=x"]
)
def test_page__address_that_means_nothing__says_so(portal: Portal, query: str) -> None:
    with pages.as_role(portal, "acme", "viewer") as client:
        answer = client.get(f"/runs/?{query}")
    assert (answer.status_code, "<h1" in answer.text) == (422, True)


@pytest.mark.parametrize(
    "query", ["q=" + "x+" * 200, "q=%ED%A0%80", "status=nonsense", f"who={UUID(int=7)}", "agent=nonsense"]
)
def test_page__nothing_fits__teaches_instead_of_failing(portal: Portal, query: str) -> None:
    with pages.as_role(portal, "spare_0", "viewer") as client:
        answer = client.get(f"/runs/?{query}")
    assert answer.status_code == 200
    assert "Show all runs" in answer.text or "Nothing has run yet" in answer.text


def test_page__of_a_role_that_only_reads__does_not_send_it_to_run_something(portal: Portal) -> None:
    with (
        pages.as_role(portal, "spare_0", "viewer") as reader,
        pages.as_role(portal, "spare_0", "owner") as runner,
    ):
        assert "Your role reads what others ask" in reader.get("/runs/").text
        assert "Choose an agent" in runner.get("/runs/").text
        assert "Open the agent" in runner.get("/runs/?agent=logreader").text
        assert "About this agent" in reader.get("/runs/?agent=logreader").text


def test_address_of_a_run__opens_for_whose_role_may_see_it_and_for_nobody_else(portal: Portal) -> None:
    agent = portal.register(access={"owner": "full", "pm_csm": "full", "dev": "read"})
    with portal.client("acme", "pm_csm") as client:
        run = client.post(f"/agents/{agent}/runs", json={"input": "to be shared"}).json()["run_id"]
    answers = {}
    for role in ("pm_csm", "owner", "dev", "viewer"):
        with pages.as_role(portal, "acme", role) as client:
            answers[role] = [client.get(f"/runs/{run}/{kind}").status_code for kind in ("", "document.docx")]
    assert answers == {"pm_csm": [200, 200], "owner": [200, 200], "dev": [200, 200], "viewer": [404, 404]}

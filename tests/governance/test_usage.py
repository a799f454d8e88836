"""What a tenant used: who may see it, and that the figures are its own and add up."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from governance import usage
from qualisys import tenancy
from tenants.identity import Identity, Person
from tests import pages
from tests.connections import as_platform
from tests.portal import Portal

pytestmark = pytest.mark.usefixtures("database")

LOG = """INSERT INTO agent_execution_log VALUES (gen_random_uuid(), %s, %s, gen_random_uuid(), '1.0.0', 'stable', '',
 'openai', 'm', %s, %s, %s, %s, 1, 1, %s, '', '', false, false, %s)"""
NOW = datetime.now(UTC)


def log(
    tenant: tenancy.Tenant, agent_id: str, tokens: tuple[int, int], days_ago: int = 0, status: str = "success",
    estimated: bool = False,
) -> None:  # fmt: skip
    """Write a row of the execution log."""
    at = NOW - timedelta(days=days_ago)
    with as_platform() as connection:
        connection.execute(LOG, [agent_id, tenant.id, sum(tokens), *tokens, estimated, status, at])


@pytest.fixture(scope="module")
def spare(tenants: dict[str, tenancy.Tenant], portal: Portal) -> tenancy.Tenant:
    """A tenant with rows of a visible agent, of one for the owner only, and a foreign row beside them."""
    tenant = tenants["spare_0"]
    portal.register("usage-of-owners", required_roles=["owner"])
    log(tenant, "logreader", (100, 50))
    log(tenant, "logreader", (10, 5), 29, "timeout", estimated=True)
    log(tenant, "baconsultant", (1000, 500), 3, "error")
    log(tenant, "usage-of-owners", (7, 7), 3)
    log(tenant, "logreader", (1, 1), 31)
    log(tenants["globex"], "logreader", (10**6, 10**6))
    return tenant


@pytest.fixture
def inside(spare: tenancy.Tenant) -> Iterator[tenancy.Tenant]:
    with tenancy.use(spare):
        yield spare


def reader(spare: tenancy.Tenant, role: str) -> Identity:
    return Identity(Person(uuid4(), "", "", role, ""), spare, "session", "")


@pytest.mark.parametrize("path", ["/settings/usage/", "/settings/usage/usage.csv"])
@pytest.mark.parametrize(
    ("role", "status"),
    [("pm_csm", 403), ("dev", 403), ("viewer", 403), ("qa_manual", 403), ("client_stakeholder", 403),
     ("qa_automation", 200), ("admin", 200), ("owner", 200)],
)  # fmt: skip
def test_pages__by_role__hidden_is_forbidden(
    portal: Portal, spare: tenancy.Tenant, path: str, role: str, status: int
) -> None:
    with pages.as_role(portal, "spare_0", role) as client:
        assert client.get(path).status_code == status
        assert ("/settings/usage/" in client.get("/runs/").text) == (status == 200)


def test_agent__for_other_roles__counts_without_its_name(inside: tenancy.Tenant) -> None:
    theirs = usage.usage_of(reader(inside, "qa_automation"), NOW.date())
    owners = usage.usage_of(reader(inside, "owner"), NOW.date())
    assert theirs.total == owners.total
    assert {agent.name for agent in theirs.agents if not agent.agent_id} == {usage.HIDDEN_NAME}
    assert "usage-of-owners" not in repr(theirs.agents) + repr(theirs.names) + repr(theirs.series)
    assert "usage-of-owners" in [agent.agent_id for agent in owners.agents]


def test_figures__of_thirty_days__add_up(inside: tenancy.Tenant) -> None:
    found = usage.usage_of(reader(inside, "owner"), NOW.date())
    assert found.total == usage.Total(4, 2, 1, 1117, 562)
    assert found.before == usage.Total(1, 0, 0, 1, 1)
    assert [agent.agent_id for agent in found.agents] == ["baconsultant", "logreader", "usage-of-owners"]
    assert sum(day.total.tokens for day in found.days) == found.total.tokens
    assert [sum(day.tokens[series] for day in found.days) for series in range(3)] == [1500, 165, 14]
    assert found.most == 2000
    assert max(sum(bar.height for bar in day.bars) for day in found.days) == pytest.approx(75.7, abs=0.1)


def test_file__of_the_owner__has_the_same_figures(portal: Portal, spare: tenancy.Tenant) -> None:
    with pages.as_role(portal, "spare_0", "owner") as client:
        answer = client.get("/settings/usage/usage.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert sum(int(row["tokens"]) for row in rows) == 1679
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="usage-spare_0-')


def test_page__of_a_tenant_that_ran_nothing__teaches(portal: Portal) -> None:
    with pages.as_role(portal, "spare_3", "owner") as client:
        text = client.get("/settings/usage/").text
    assert "No agent has run in the last 30 days" in text
    assert "usage.csv" not in text


@pytest.mark.parametrize(
    ("most", "scale"), [(0, 10), (1, 10), (10, 10), (11, 20), (95, 100), (101, 200), (205_000, 300_000)]
)
def test_scale__is_round_and_has_a_whole_half(most: int, scale: int) -> None:
    assert usage._scale(most) == scale
    assert scale % 2 == 0


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1000, "1 k"), (12_345, "12.3 k"), (3_200_000, "3.2 M")]
)
def test_compact__keeps_what_matters(number: int, text: str) -> None:
    assert usage.compact(number) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(0, 0, ""), (5, 0, "nothing in the 30 days before"), (5, 5, "as in the 30 days before"),
     (15, 10, "+50 % on the 30 days before"), (5, 10, "-50 % on the 30 days before")],
)  # fmt: skip
def test_trend__in_words(now: int, before: int, text: str) -> None:
    assert usage.trend(now, before) == text

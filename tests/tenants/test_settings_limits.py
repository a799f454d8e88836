"""Settings, Limits: a form that only tightens, and says in plain words what it refuses."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from decimal import Decimal

import httpx2 as httpx
import pytest

from agents.limits import services
from agents.limits.models import Limits
from agents.limits.numbers import Numbers
from qualisys import tenancy
from tests import pages
from tests.people import SYSTEM, somebody
from tests.portal import Portal
from tests.signin import release_brake, send

pytestmark = pytest.mark.usefixtures("database")
Tenants = dict[str, tenancy.Tenant]
HOME = "spare_1"


@pytest.fixture
def owner(portal: Portal, tenants: Tenants) -> Iterator[httpx.Client]:
    """An owner of a tenant without limits, left so."""
    release_brake()
    person = somebody(tenants[HOME], "owner")
    with pages.signed_in(portal, HOME, person.email, person.password) as client:
        yield client
    with tenancy.use(tenancy.platform("tests")):
        Limits.objects.filter(tenant_id=tenants[HOME].id).delete()


def row(tenants: Tenants, agent_id: str | None = None) -> Limits | None:
    with tenancy.use(tenants[HOME]):
        return services.find(services.Scope(agent_id, tenants[HOME].id, by_tenant=True))


def told(answer: httpx.Response) -> str:
    """The errors of a page, as text."""
    found = re.findall(r'<p class="field-error">(.*?)</p>|role="alert">(.*?)</div></div>', answer.text, re.S)
    return html.unescape(re.sub(r"<[^>]+>|\s+", " ", " ".join(part for pair in found for part in pair)))


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"runs_per_minute": "601"}, "Your platform gives you 600 runs: set less, or leave it empty."),
        ({"daily_tokens": "0"}, "Enter 1 or more."),
        ({"daily_tokens": "many"}, "Enter a whole number, or leave it empty."),
        ({"daily_tokens": "9" * 30}, "less than or equal to"),
        ({"daily_cost": "-1"}, "Enter 0 or more."),
        ({"daily_cost": "x"}, "Enter an amount such as 12.50"),
    ],
    ids=str,
)
def test_number__that_cannot_be__refused_in_plain_words_with_what_was_typed(
    owner: httpx.Client, tenants: Tenants, typed: dict[str, str], why: str
) -> None:
    answer = send(owner, "/settings/limits/", **typed)
    (value,) = typed.values()
    assert (answer.status_code, why in told(answer)) == (422, True), told(answer)
    assert f'value="{value}"' in answer.text
    assert row(tenants) is None


def test_agent__that_is_none__not_found(owner: httpx.Client) -> None:
    assert owner.get("/settings/limits/nothing/").status_code == 404


def test_save__over_what_somebody_else_saved__refused(owner: httpx.Client, tenants: Tenants) -> None:
    assert send(owner, "/settings/limits/", daily_tokens="9", revision="0").status_code == 302
    answer = send(owner, "/settings/limits/", daily_tokens="8", revision="0")
    assert (answer.status_code, "changed since" in told(answer)) == (412, True)
    found = row(tenants)
    assert found is not None
    assert found.daily_tokens == 9


def test_limits__of_the_whole_and_of_an_agent__are_set_and_shown(
    owner: httpx.Client, tenants: Tenants
) -> None:
    first = owner.get("/settings/limits/").text
    assert "A limit of your own stops a slip early" in first
    assert "Your platform gives 600 runs." in first
    assert "Your platform sets no limit." in first
    answer = send(
        owner, "/settings/limits/", runs_per_minute="60", daily_cost="12.5", revision="0", reason="careful"
    )
    assert answer.status_code == 302
    assert (
        send(owner, "/settings/limits/baconsultant/", daily_tokens="50000", revision="0").status_code == 302
    )
    found, of_agent = row(tenants), row(tenants, "baconsultant")
    assert found is not None
    assert of_agent is not None
    assert (found.runs_per_minute, found.daily_cost, of_agent.daily_tokens) == (60, Decimal("12.5"), 50_000)
    page = owner.get("/settings/limits/").text
    assert "A limit of your own stops a slip early" not in page
    assert "$12.50" in page
    assert 'value="12.50"' in page
    assert "Tokens a day: 50,000 tokens" in page
    assert "1 of yours" in page
    assert "Your platform gives 3,200,000 tokens." in owner.get("/settings/limits/baconsultant/").text
    assert send(owner, "/settings/limits/", revision="1").status_code == 302
    found = row(tenants)
    assert found is not None
    assert found.runs_per_minute is None


def test_limit__of_ones_own_that_the_platform_has_passed__the_platforms_holds(
    owner: httpx.Client, tenants: Tenants
) -> None:
    send(owner, "/settings/limits/", concurrent_runs="40")
    with tenancy.use(tenancy.platform("tests")):
        services.set_limits(actor=SYSTEM, tenant_id=tenants[HOME].id, numbers=Numbers(concurrent_runs=7))
    page = owner.get("/settings/limits/").text
    assert "Your platform gives 7 runs." in page
    assert re.search(r"<dt>Runs at once</dt><dd>7 runs</dd>", page)

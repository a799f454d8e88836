"""Limits, prices and stops in the console: support only looks, and what hurts is asked first."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from agents.limits import services as limits
from agents.limits.models import Limits
from agents.limits.numbers import Numbers, Spending
from agents.models import ModelPrice, ModelStop
from qualisys import tenancy
from qualisys.console import PLATFORM_CHAIN
from tenants.models import Tenant
from tests.console import errors, last_event, post, register
from tests.people import SYSTEM

pytestmark = pytest.mark.usefixtures("database")
PRICE = {
    "provider": "vllm",
    "input_price": "1.5",
    "output_price": "2",
    "max_output_tokens": "",
    "source": "a page",
}


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    """Look at the database as the platform, and leave no limit behind."""
    with tenancy.use(tenancy.platform("tests")):
        yield
        Limits.objects.all().delete()


@pytest.fixture
def model() -> Iterator[str]:
    """A model nobody else has."""
    name = f"m-{secrets.token_hex(6)}"
    yield name
    ModelPrice.objects.filter(model=name).delete()
    ModelStop.objects.filter(model=name).delete()


def home() -> Tenant:
    found: Tenant = Tenant.objects.get(schema_name="spare_0")
    return found


def test_support__looks_at_all_and_changes_nothing(support: httpx.Client, model: str) -> None:
    row = limits.set_limits(actor=SYSTEM, tenant_id=home().pk, numbers=Numbers(daily_tokens=5))
    stop = ModelStop.objects.create(provider="vllm", model=model)
    price = ModelPrice.objects.create(provider="vllm", model=model, input_price=1, output_price=1)
    pages = [f"agents/limits/{row.pk}", f"agents/modelprice/{price.pk}", f"agents/modelstop/{stop.pk}"]
    for page in pages:
        shown = support.get(f"/admin/{page}/change/")
        assert (shown.status_code, 'name="_save"' in shown.text) == (200, False), page
        assert post(support, f"{page}/change/", daily_tokens="9", input_price="9").status_code == 403
    for page in ("agents/limits/add/", "agents/modelprice/add/", "agents/modelstop/add/",
                 f"agents/modelprice/{price.pk}/remove/", f"agents/modelstop/{stop.pk}/resume/"):  # fmt: skip
        assert post(support, page, reason="because", provider="vllm", confirmed="on").status_code == 403
    row.refresh_from_db()
    assert (row.daily_tokens, ModelStop.objects.filter(model=model).count()) == (5, 1)


def test_limits__without_a_number_or_with_a_wrong_one__refused(owner: httpx.Client) -> None:
    agent = register(owner)
    tenant = str(home().pk)
    assert "Set at least one number" in errors(post(owner, "agents/limits/add/", tenant=tenant))
    for name, typed in (
        ("daily_tokens", "0"),
        ("gap_seconds", "9999"),
        ("breaker_share", "2"),
        ("daily_cost", "-1"),
    ):
        answer = post(owner, "agents/limits/add/", tenant=tenant, **{name: typed})
        assert "than or equal to" in errors(answer), (name, errors(answer))
    answer = post(owner, "agents/limits/add/", agent=str(agent.pk), guard_percentage="5")
    assert "platform as a whole" in errors(answer)
    assert not Limits.objects.exists()


def test_limits__set_and_changed__by_who_has_seen_them(owner: httpx.Client) -> None:
    agent, tenant = register(owner), home()
    scope = {"agent": str(agent.pk), "tenant": str(tenant.pk)}
    answer = post(owner, "agents/limits/add/", **scope, daily_tokens="70", daily_cost="1.5", reason="agreed")
    assert answer.status_code == 302, errors(answer)
    row = Limits.objects.get(tenant_id=tenant.pk)
    assert (row.agent_id, row.daily_tokens, row.by_tenant) == (agent.agent_id, 70, False)
    assert "already" in errors(post(owner, "agents/limits/add/", **scope, daily_tokens="71"))
    page = owner.get("/admin/agents/limits/").text
    assert tenant.name in page
    assert "Tokens a day: 70 tokens" in page
    assert "70 tokens" in owner.get("/admin/agents/limits/", params={"q": tenant.name}).text
    assert "70 tokens" not in owner.get("/admin/agents/limits/", params={"q": "no such tenant"}).text
    path = f"agents/limits/{row.pk}/change/"
    shown = owner.get(f"/admin/{path}").text
    assert "now 500,000 tokens" in shown, "what holds when it is left empty: 100 of its largest runs"
    assert post(owner, path, daily_tokens="60", seen="1").status_code == 302
    assert "changed since" in errors(post(owner, path, daily_tokens="50", seen="1"))
    row.refresh_from_db()
    assert (row.daily_tokens, row.daily_cost, row.revision) == (60, None, 2)
    event = last_event(tenant.pk, agent.agent_id)
    assert event.action == "limits.changed"


def test_limits_of_every_tenant__roll_the_guard_out(owner: httpx.Client) -> None:
    assert post(owner, "agents/limits/add/", guard_percentage="10").status_code == 302
    row = Limits.objects.get()
    assert (row.guard_percentage, row.tenant_id, row.agent_id) == (10, None, None)
    assert "now 600 runs" in owner.get(f"/admin/agents/limits/{row.pk}/change/").text


def test_limits__that_a_tenant_set_itself__are_only_shown(owner: httpx.Client) -> None:
    tenant = home()
    with tenancy.use(tenant.values()):
        row = limits.set_own_limits(actor=SYSTEM, tenant_id=tenant.pk, numbers=Spending(runs_per_minute=5))
    path = f"agents/limits/{row.pk}/change/"
    shown = owner.get(f"/admin/{path}")
    assert (shown.status_code, "The tenant itself" in shown.text, 'name="_save"' in shown.text) == (
        200,
        True,
        False,
    )
    assert post(owner, path, runs_per_minute="500", seen="1").status_code == 403


def test_price__entered_changed_and_removed_with_a_reason(owner: httpx.Client, model: str) -> None:
    assert "than or equal to" in errors(
        post(owner, "agents/modelprice/add/", **PRICE | {"input_price": "-1"}, model=model)
    )
    assert post(owner, "agents/modelprice/add/", **PRICE, model=model).status_code == 302
    assert "already" in errors(post(owner, "agents/modelprice/add/", **PRICE, model=model))
    row = ModelPrice.objects.get(model=model)
    assert (
        post(owner, f"agents/modelprice/{row.pk}/change/", **PRICE | {"output_price": "3"}).status_code == 302
    )
    row.refresh_from_db()
    assert (float(row.input_price), float(row.output_price)) == (1.5, 3)
    path = f"agents/modelprice/{row.pk}/remove/"
    assert post(owner, path, reason="").status_code == 200
    assert ModelPrice.objects.filter(model=model).exists(), "asked for a reason first"
    assert post(owner, path, reason="we left it").headers["location"] == "/admin/agents/modelprice/"
    assert not ModelPrice.objects.filter(model=model).exists()
    event = last_event(PLATFORM_CHAIN, model)
    assert (event.action, json.loads(event.body)["reason"]) == ("model_price.deleted", "we left it")


def test_stop__only_with_a_reason_and_when_meant__ends_with_a_reason(owner: httpx.Client, model: str) -> None:
    form = {"provider": "vllm", "model": model}
    assert "Tick this" in errors(post(owner, "agents/modelstop/add/", **form, reason="wrong answers"))
    assert "required" in errors(post(owner, "agents/modelstop/add/", **form, confirmed="on"))
    assert (
        post(owner, "agents/modelstop/add/", **form, reason="wrong answers", confirmed="on").status_code
        == 302
    )
    again = post(owner, "agents/modelstop/add/", **form, reason="twice", confirmed="on")
    assert "already" in errors(again)
    row = ModelStop.objects.get(model=model)
    assert "wrong answers" in owner.get("/admin/agents/modelstop/").text
    path = f"agents/modelstop/{row.pk}/resume/"
    assert owner.get(f"/admin/{path}").status_code == 200
    assert ModelStop.objects.filter(pk=row.pk).exists(), "looking ends nothing"
    assert post(owner, path, reason="mended").headers["location"] == "/admin/agents/modelstop/"
    assert not ModelStop.objects.filter(pk=row.pk).exists()

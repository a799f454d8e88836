"""What the console shows of what runs: figures and names, never what a tenant asked or was answered."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from governance.audit.models import AuditEvent
from qualisys import tenancy
from tests.console import LISTS, last_event, register
from tests.people import somebody
from tests.portal import Portal, Process, free_port, wait_for

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    """Look at the database as the platform."""
    with tenancy.use(tenancy.platform("tests")):
        yield


def test_pages__what_a_tenant_asked__is_on_none_of_them(portal: Portal, owner: httpx.Client) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    agent = portal.register(llm_model="any@chunks=100,interval=40")
    with portal.client("acme") as client:
        begun = client.post(
            f"/agents/{agent}/runs", json={"input": canary}, headers={"Prefer": "respond-async"}
        )
        assert begun.status_code == 202, begun.text
        wait_for(lambda: agent in owner.get("/admin/live/").text, 30, "the run on the live page")
        assert canary not in owner.get("/admin/live/").text
        client.post(f"/runs/{begun.json()['run_id']}/cancel")
    wait_for(
        lambda: f">{agent}<" in owner.get(f"/admin/executions/?agent={agent}").text, 10, "the run in the log"
    )
    for page in LISTS:
        assert canary not in owner.get(f"/admin/{page}").text


@pytest.mark.parametrize("query", ["tenant=nonsense", "cursor=nonsense", "period=nonsense"])
def test_log__wrong_address__says_so(owner: httpx.Client, query: str) -> None:
    assert owner.get(f"/admin/executions/?{query}").status_code == 200
    assert owner.get(f"/admin/trail/?{query.replace('tenant', 'chain')}").status_code == 200


@pytest.mark.parametrize("page", ["executions/?status=%00", "trail/?action=%00", "search/?extended=1&s=%00",
                                  "agents/agentdefinition/?llm_provider=%00",
                                  "versions/agentversion/add/?agent=%00"])  # fmt: skip
def test_page__text_that_no_text_can_have__is_refused(owner: httpx.Client, page: str) -> None:
    assert owner.get(f"/admin/{page}").status_code == 422


def test_trail__event_of_a_tenant__is_read_on_the_record(
    owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    tenant = tenants["acme"]
    member = somebody(tenant, "viewer")
    event = last_event(tenant.id, str(member.user.pk))
    page = owner.get(f"/admin/trail/{tenant.id}/{event.seq}/")
    assert page.status_code == 200
    assert "member.created" in page.text
    read = AuditEvent.objects.filter(tenant_id=tenant.id, action="audit.read").latest("seq")
    assert read.object_id == str(event.seq)


def test_history__of_an_agent__is_its_audit_trail(owner: httpx.Client) -> None:
    agent = register(owner)
    answer = owner.get(f"/admin/agents/agentdefinition/{agent.pk}/history/", follow_redirects=True)
    assert answer.status_code == 200
    assert "agent.created" in answer.text


def test_admin_log__anything_written__names_nobody(owner: httpx.Client) -> None:
    from django.contrib.admin.models import LogEntry

    agent = register(owner, name="A telling name")
    entry = LogEntry.objects.filter(object_id=str(agent.pk)).get()
    assert entry.object_repr == f"agent {agent.pk}"
    assert "telling" not in entry.change_message


def test_dashboard__redis_away__says_unknown(portal: Portal, owner: httpx.Client) -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "qualisys.asgi:application",
        "--port",
        str(port),
        "--no-access-log",
    ]
    web = Process("web-no-redis", command, {**portal.env, "REDIS_URL": "redis://127.0.0.1:1/0"}, port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=owner.cookies, timeout=30) as client:
            client.headers["Host"] = f"localhost:{port}"
            wait_for(lambda: _answers(client), 30, "the web process without Redis")
            for page in LISTS:
                assert client.get(f"/admin/{page}").status_code == 200, page
            assert "unknown" in client.get("/admin/").text.lower()
            assert "unknown" in client.get("/admin/live/").text.lower()
    finally:
        web.stop()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False

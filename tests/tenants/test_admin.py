"""The platform console over real HTTP: who may enter, who may write, and that writes are the services' own."""

from __future__ import annotations

import html
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import httpx2 as httpx
import pytest

from agents.models import AgentDefinition
from governance.audit.models import AuditEvent
from qualisys import tenancy
from qualisys.console import PLATFORM_CHAIN
from tenants.models import ApiKey, Membership, Tenant, User
from tests.pages import browser, signed_in
from tests.people import key_of, somebody
from tests.portal import ROOT, Portal, Process, free_port, wait_for
from versions.models import AgentVersion

pytestmark = pytest.mark.usefixtures("database")

LISTS = [
    "", "agents/agentdefinition/", "versions/agentversion/", "tenants/tenant/", "tenants/user/", "tenants/membership/",
    "tenants/apikey/", "executions/", "live/", "trail/",
]  # fmt: skip
AGENT = {
    "name": "Release notes", "description": "Writes them.", "phase": "custom", "tags": "docs, release",
    "icon": "file-text", "llm_provider": "openai", "llm_model": "any", "max_tokens_per_invocation": "5000",
    "timeout_seconds": "60", "input_types": ["md", "txt"], "required_roles": ["owner", "dev"], "access": "",
    "approval_gates": "", "metadata": "{}", "system_prompt": "Line one.\r\nLine two.", "output_schema": "",
    "changelog": "First.",
}  # fmt: skip


@pytest.fixture(scope="module")
def owner(portal: Portal, database: None) -> Iterator[httpx.Client]:
    """A platform owner at the console."""
    person = somebody(platform_role="platform_owner", name="Olga Owner")
    with signed_in(portal, None, person.email, person.password) as client:
        yield client


@pytest.fixture(scope="module")
def support(portal: Portal, database: None) -> Iterator[httpx.Client]:
    """Somebody of platform support at the console."""
    person = somebody(platform_role="platform_support")
    with signed_in(portal, None, person.email, person.password) as client:
        yield client


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    """Look at the database as the platform."""
    with tenancy.use(tenancy.platform("tests")):
        yield


class Made(NamedTuple):
    """Two tenants that were asked for, who asked for the first, and what the worker answered."""

    slug: str
    refused: str
    asker: str
    answers: list[str]


def post(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form of the console."""
    data = {"csrfmiddlewaretoken": client.cookies.get("csrftoken") or "", **fields}
    return client.post(f"/admin/{path}", data=data)


def errors(answer: httpx.Response) -> str:
    """Return what a page refuses, as text."""
    assert answer.status_code == 200, answer.status_code
    found = re.findall(
        r'class="(?:errornote|errorlist|q-error)[^"]*"[^>]*>(.*?)</(?:div|ul|p)>', answer.text, re.S
    )
    return " ".join(html.unescape(re.sub(r"<[^>]+>|\s+", " ", each)) for each in found)


def register(client: httpx.Client, **fields: Any) -> AgentDefinition:
    agent_id = f"console-{secrets.token_hex(4)}"
    answer = post(client, "agents/agentdefinition/add/", **{**AGENT, "agent_id": agent_id, **fields})
    assert answer.status_code == 302, errors(answer)
    return AgentDefinition.objects.get(agent_id=agent_id)


def last_event(chain: UUID | str, object_id: str) -> AuditEvent:
    return AuditEvent.objects.filter(tenant_id=chain, object_id=object_id).latest("seq")


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", LISTS)
def test_console__anonymous__is_led_to_the_sign_in(portal: Portal, page: str) -> None:
    with browser(portal, None) as client:
        answer = client.get(f"/admin/{page}")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/admin/login/")


def test_console__on_a_tenants_host__is_not_there(portal: Portal) -> None:
    with browser(portal, "acme") as client:
        assert client.get("/admin/").status_code == 404


def test_sign_in__member_of_a_tenant__is_refused(portal: Portal) -> None:
    person = portal.login("acme", "owner")
    with browser(portal, None) as client:
        client.get("/admin/login/")
        answer = post(client, "login/", username=person["email"], password=person["password"])
    assert "not right for the platform" in errors(answer)


def test_sign_in__guessing__is_slowed_down(portal: Portal) -> None:
    email = f"{secrets.token_hex(6)}@nobody.example"
    with browser(portal, None) as client:
        client.get("/admin/login/")
        answers = [post(client, "login/", username=email, password="wrong") for _ in range(11)]
    assert "Too many attempts" not in errors(answers[9])
    assert "Too many attempts" in errors(answers[10])


@pytest.mark.parametrize("page", LISTS)
def test_support__any_page__is_shown(support: httpx.Client, page: str) -> None:
    assert support.get(f"/admin/{page}").status_code == 200


@pytest.mark.parametrize("add", ["agents/agentdefinition", "versions/agentversion", "tenants/tenant", "tenants/user",
                                 "tenants/membership", "tenants/apikey"])  # fmt: skip
def test_support__adding_anything__is_refused(support: httpx.Client, add: str) -> None:
    assert support.get(f"/admin/{add}/add/").status_code == 403
    assert post(support, f"{add}/add/", name="x").status_code == 403


def test_support__changing_anything__is_refused(support: httpx.Client, owner: httpx.Client) -> None:
    agent = register(owner)
    version = AgentVersion.objects.get(agent=agent)
    tenant = Tenant.objects.get(schema_name="spare_0")
    page = support.get(f"/admin/agents/agentdefinition/{agent.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.text
    assert "Turn off" not in page.text
    for path in (
        f"agents/agentdefinition/{agent.pk}/change/", f"agents/agentdefinition/{agent.pk}/turn_off/",
        f"versions/agentversion/{version.pk}/change/", f"tenants/tenant/{tenant.pk}/suspend/",
        f"tenants/tenant/{tenant.pk}/change/",
    ):  # fmt: skip
        assert post(support, path, reason="because").status_code == 403, path
    agent.refresh_from_db()
    assert agent.enabled


def test_owner__deleting_anything__is_refused(owner: httpx.Client) -> None:
    agent = register(owner)
    assert owner.get(f"/admin/agents/agentdefinition/{agent.pk}/delete/").status_code == 403
    assert post(owner, f"agents/agentdefinition/{agent.pk}/delete/", post="yes").status_code == 403


def test_form__without_its_token__is_refused(owner: httpx.Client) -> None:
    agent = register(owner)
    answer = owner.post(f"/admin/agents/agentdefinition/{agent.pk}/turn_off/", data={"reason": "forged"})
    assert answer.status_code == 403


# --- agents and versions --------------------------------------------------------------------------------------------


def test_register__wrong_fields__says_which_and_keeps_what_was_typed(owner: httpx.Client) -> None:
    wrong = {
        **AGENT,
        "agent_id": "Not A Slug",
        "approval_gates": '[{"name": "review"}]',
        "output_schema": "{nope",
    }
    answer = post(owner, "agents/agentdefinition/add/", **wrong)
    said = errors(answer)
    assert "lower-case letters" in said
    assert "This is not JSON" in said
    for typed in ("Not A Slug", "{nope", "Line two.", "docs, release"):
        assert typed in answer.text
    wrong |= {"agent_id": f"console-{secrets.token_hex(4)}", "output_schema": '{"type": 7}'}
    assert "0.approvers" in errors(post(owner, "agents/agentdefinition/add/", **wrong))
    said = errors(post(owner, "agents/agentdefinition/add/", **{**wrong, "approval_gates": ""}))
    assert "not a valid JSON Schema" in said


def test_register__taken_id__is_refused(owner: httpx.Client) -> None:
    agent = register(owner)
    answer = post(owner, "agents/agentdefinition/add/", **{**AGENT, "agent_id": agent.agent_id})
    assert "already exists" in errors(answer)


def test_register__good_form__makes_the_first_version(owner: httpx.Client) -> None:
    agent = register(owner)
    version = AgentVersion.objects.get(agent=agent)
    assert (version.version, version.rollout_percentage) == ("1.0.0", 100)
    assert version.system_prompt == "Line one.\nLine two."
    assert (agent.tags, agent.required_roles) == (["docs", "release"], ["owner", "dev"])


def test_kill_switch__without_a_reason__asks_for_it(owner: httpx.Client) -> None:
    agent = register(owner)
    answer = post(owner, f"agents/agentdefinition/{agent.pk}/turn_off/", reason="")
    assert answer.status_code == 200
    agent.refresh_from_db()
    assert agent.enabled


def test_kill_switch__with_a_reason__is_off_and_stays_off_when_edited(owner: httpx.Client) -> None:
    agent = register(owner)
    answer = post(owner, f"agents/agentdefinition/{agent.pk}/turn_off/", reason="It misbehaves")
    assert answer.status_code == 302
    answer = post(owner, f"agents/agentdefinition/{agent.pk}/change/", **{**AGENT, "name": "Renamed"})
    assert answer.status_code == 302, errors(answer)
    agent.refresh_from_db()
    assert (agent.enabled, agent.name) == (False, "Renamed")
    off = AuditEvent.objects.filter(tenant_id=PLATFORM_CHAIN, object_id=agent.agent_id).order_by("seq")[1]
    assert '"reason": "It misbehaves"' in off.body
    assert User.objects.get(pk=off.actor).name == "Olga Owner"


def test_edit__somebody_else_was_faster__asks_before_overwriting(owner: httpx.Client) -> None:
    agent = register(owner)
    path = f"agents/agentdefinition/{agent.pk}/change/"
    answer = post(owner, path, **{**AGENT, "name": "Mine", "read_at": "2020-01-01T00:00:00+00:00"})
    assert "Somebody changed this agent" in errors(answer)
    read_at = re.search(r'name="read_at" value="([^"]+)"', answer.text)
    assert read_at is not None
    assert post(owner, path, **{**AGENT, "name": "Mine", "read_at": read_at[1]}).status_code == 302
    agent.refresh_from_db()
    assert agent.name == "Mine"


def test_version__new_one__keeps_the_schema_and_rolls_out(owner: httpx.Client) -> None:
    agent = register(owner, output_schema='{"type": "object"}')
    form = {"agent": agent.agent_id, "system_prompt": "Better.", "output_schema": "", "changelog": "Better words.",
            "bump": "minor", "rollout_percentage": "10"}  # fmt: skip
    assert "between" not in owner.get(f"/admin/versions/agentversion/add/?agent={agent.agent_id}").text
    assert "0 to 100" in errors(
        post(owner, "versions/agentversion/add/", **{**form, "rollout_percentage": "101"})
    )
    answer = post(owner, "versions/agentversion/add/", **form)
    assert answer.status_code == 302, errors(answer)
    version = AgentVersion.objects.get(agent=agent, version="1.1.0")
    assert (version.output_schema, version.rollout_percentage) == ({"type": "object"}, 10)


def test_version__last_one_for_everybody__cannot_be_taken_back(owner: httpx.Client) -> None:
    agent = register(owner)
    version = AgentVersion.objects.get(agent=agent)
    path = f"versions/agentversion/{version.pk}/change/"
    assert "Say in a sentence why" in errors(post(owner, path, rollout_percentage="0", status="active"))
    answer = post(owner, path, rollout_percentage="0", status="active", reason="Too chatty")
    assert "left without any version" in errors(answer)
    assert "Too chatty" in answer.text
    said = errors(post(owner, path, rollout_percentage="100", status="retired", reason="Old"))
    assert "Tick this to retire" in said
    version.refresh_from_db()
    assert (version.rollout_percentage, version.status) == (100, "active")


# --- tenants, people, keys ------------------------------------------------------------------------------------------


def test_tenant__name_and_tier__are_changed_by_the_service(owner: httpx.Client) -> None:
    tenant = Tenant.objects.get(schema_name="spare_1")
    path = f"tenants/tenant/{tenant.pk}/change/"
    assert "Select a valid choice" in errors(post(owner, path, name="Spare", tier="gold"))
    assert post(owner, path, name="Spare one", tier="enterprise").status_code == 302
    tenant.refresh_from_db()
    assert (tenant.name, tenant.tier) == ("Spare one", "enterprise")
    assert last_event(PLATFORM_CHAIN, "spare_1").action == "tenant.changed"


def test_tenant__suspended__is_shut_within_a_second(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    tenant = tenants["spare_2"]
    member = somebody(tenant, "owner")
    _, key = key_of(tenant, member.user)
    with portal.client(None, role=None, **{"X-API-Key": key}) as client:
        assert client.get("/agents").status_code == 200
        assert post(owner, f"tenants/tenant/{tenant.id}/suspend/", reason="Unpaid").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 403, 1.0, "the suspension")
        assert post(owner, f"tenants/tenant/{tenant.id}/activate/", reason="Paid").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 200, 1.0, "the end of the suspension")


def test_tenant__bad_request__is_refused_before_it_is_queued(owner: httpx.Client) -> None:
    form = {"schema_name": "Acme!", "name": "New", "tier": "standard", "hosts": "not a host"}
    said = errors(post(owner, "tenants/tenant/add/", **form))
    assert "3 to 41 lower-case letters" in said
    assert "not a host name" in said
    said = errors(
        post(owner, "tenants/tenant/add/", **{**form, "schema_name": "acme", "hosts": "acme.localhost"})
    )
    assert "already" in said
    assert "Taken already: acme.localhost" in said


@pytest.fixture(scope="module")
def made(owner_env: dict[str, str], database: None) -> Made:
    """What the maintenance worker answers when it is asked for tenants, by whom may and by whom may not."""
    asker = str(somebody(platform_role="platform_admin").user.pk)
    stranger = str(somebody(platform_role="platform_support").user.pk)
    slug, other = (f"made_{secrets.token_hex(4)}" for _ in range(2))
    calls = [(slug, asker), (slug, asker), (other, stranger)]
    script = "\n".join(
        ["import django", "django.setup()", "from tenants.tasks import create_tenant"]
        + [
            f"print(create_tenant('{s}', 'Made', 'standard', ['{s[5:]}.localhost'], '{a}', 'req-7'))"
            for s, a in calls
        ]
    )
    env = {**owner_env, "DJANGO_SETTINGS_MODULE": "qualisys.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return Made(slug, other, asker, done.stdout.split())


def test_tenant__asked_for_twice__is_created_once(made: Made) -> None:
    assert made.answers[:2] == ["created", "exists"]
    event = last_event(PLATFORM_CHAIN, made.slug)
    assert (event.action, event.actor) == ("tenant.created", made.asker)
    assert "req-7" in event.body


def test_tenant__whoever_asked_may_not__is_not_created_and_said_so(made: Made, owner: httpx.Client) -> None:
    assert made.answers[2] == "permission_denied"
    assert not Tenant.objects.filter(schema_name=made.refused).exists()
    assert made.refused in owner.get("/admin/tenants/tenant/").text


def test_member__last_administrator__stays(made: Made, owner: httpx.Client) -> None:
    tenant = Tenant.objects.get(schema_name=made.slug)
    member = somebody(tenant.values(), "owner").member
    somebody(tenant.values(), "dev")
    assert member is not None
    answer = post(owner, f"tenants/membership/{member.pk}/change/", role="viewer")
    assert "at least one owner" in errors(answer)
    answer = post(owner, f"tenants/membership/{member.pk}/deactivate/", reason="Left")
    assert "at least one owner" in errors(answer)
    member.refresh_from_db()
    assert (member.role, member.is_active) == ("owner", True)


def test_person__password__is_generated_and_shown_once(owner: httpx.Client) -> None:
    email = f"{secrets.token_hex(6)}@people.example"
    form = {"email": email, "name": "New", "platform_role": "", "password1": "short", "password2": "other"}
    assert "not the same" in errors(post(owner, "tenants/user/add/", **form))
    assert "too short" in errors(post(owner, "tenants/user/add/", **{**form, "password2": "short"}))
    answer = post(owner, "tenants/user/add/", **{**form, "password1": "", "password2": ""})
    assert "no-store" in answer.headers["cache-control"]
    shown = re.search(r'id="secret"[^>]*value="([^"]+)"', answer.text)
    assert shown is not None
    user = User.objects.get(email=email)
    assert user.check_password(html.unescape(shown[1]))
    assert shown[1] not in owner.get(f"/admin/tenants/user/{user.pk}/change/").text


def test_person__deactivated__is_refused_everywhere_within_a_second(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    person = somebody(tenants["acme"], "dev")
    _, key = key_of(tenants["acme"], person.user)
    with portal.client("acme", role=None, **{"X-API-Key": key}) as client:
        assert client.get("/agents").status_code == 200
        assert post(owner, f"tenants/user/{person.user.pk}/deactivate/", reason="Left").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 401, 1.0, "the deactivation")
    assert "Left" in last_event(PLATFORM_CHAIN, str(person.user.pk)).body


def test_member__added_changed_and_deactivated__by_the_services(
    owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    tenant, person = tenants["acme"], somebody()
    form = {"email": "nobody@nowhere.example", "tenant": str(tenant.id), "role": "viewer"}
    assert "no person with this e-mail" in errors(post(owner, "tenants/membership/add/", **form))
    form["email"] = person.email
    assert post(owner, "tenants/membership/add/", **form).status_code == 302
    member = Membership.objects.get(user=person.user)
    assert "member already" in errors(post(owner, "tenants/membership/add/", **form))
    assert post(owner, f"tenants/membership/{member.pk}/change/", role="dev").status_code == 302
    assert post(owner, f"tenants/membership/{member.pk}/deactivate/", reason="Left").status_code == 302
    member.refresh_from_db()
    assert (member.role, member.is_active) == ("dev", False)
    assert "Left" in last_event(tenant.id, str(person.user.pk)).body


def test_key__created__is_shown_once_works_and_ends(
    portal: Portal, owner: httpx.Client, tenants: dict[str, tenancy.Tenant]
) -> None:
    person = somebody(tenants["acme"], "dev")
    form = {
        "name": "Build",
        "owner": person.email,
        "tenant": "",
        "scopes": ["platform:read"],
        "lifetime": "30",
    }
    assert "choose the tenant" in errors(post(owner, "tenants/apikey/add/", **form))
    form["tenant"] = str(tenants["acme"].id)
    assert "for keys of the platform" in errors(post(owner, "tenants/apikey/add/", **form))
    answer = post(owner, "tenants/apikey/add/", **{**form, "scopes": ["agents:read"]})
    shown = re.search(r'id="secret"[^>]*value="(qk_[^"]+)"', answer.text)
    assert shown is not None, errors(answer)
    key = ApiKey.objects.get(owner=person.user)
    secret = shown[1].rsplit("_", 1)[1]
    assert secret not in owner.get(f"/admin/tenants/apikey/{key.pk}/change/").text
    with portal.client("acme", role=None, **{"X-API-Key": shown[1]}) as client:
        assert client.get("/agents").status_code == 200
        assert post(owner, f"tenants/apikey/{key.pk}/revoke/", reason="Leaked").status_code == 302
        wait_for(lambda: client.get("/agents").status_code == 401, 1.0, "the revocation")


# --- what is running ------------------------------------------------------------------------------------------------


def test_pages__what_a_tenant_asked__is_on_none_of_them(portal: Portal, owner: httpx.Client) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    agent = portal.register(llm_model="any@chunks=100,interval=40")
    with portal.client("acme") as client:
        begun = client.post(
            f"/agents/{agent}/runs", json={"input": canary}, headers={"Prefer": "respond-async"}
        )
        assert begun.status_code == 202, begun.text
        wait_for(lambda: agent in owner.get("/admin/live/").text, 10, "the run on the live page")
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

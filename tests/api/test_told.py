"""What a run was told, read back: only by those who configure agents, and proved or said to be unproved."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import orjson
import pytest
import redis

from agents.guard.admission import result_key
from governance.models import Run
from governance.runs import told as reading
from qualisys import tenancy
from qualisys.ids import uuid7
from tests.api.test_overrides import BASE, RULES, echo, get, put
from tests.connections import as_owner
from tests.people import key_of, somebody
from tests.portal import Portal, Scripted, wait_for
from tests.sse import Stream

assert echo
Tenants = dict[str, tenancy.Tenant]

PLAIN = "You answer in short sentences.\nNever invent a fact.\nBe polite."
AGENT = {"name": "Changed", "required_roles": ["owner", "dev"], "llm_model": "another"}


def ran(
    portal: Portal, agent_id: str, tenant: str = "globex", role: str = "key", **body: Any
) -> dict[str, Any]:
    """Run an agent that answers with what it was told."""
    with portal.client(tenant, role) as client:
        answer = client.post(f"/agents/{agent_id}/runs", json={"input": "x", **body})
    assert answer.status_code == 201, answer.text
    run: dict[str, Any] = answer.json()
    return run


def asked(portal: Portal, run_id: str, tenant: str = "globex", role: str = "owner") -> Any:
    with portal.client(tenant, role) as client:
        return client.get(f"/runs/{run_id}/told")


def told(portal: Portal, run_id: str) -> dict[str, Any]:
    answer = asked(portal, run_id)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def stored(portal: Portal, run: dict[str, Any], tenant: tenancy.Tenant) -> None:
    """Wait until a run has its row, and forget what Redis remembers of it."""
    with tenancy.use(tenant):
        wait_for(lambda: Run.objects.filter(pk=run["run_id"]).exists(), 5, "the row")
    redis.Redis.from_url(os.environ["REDIS_URL"]).delete(result_key(run["run_id"]))


def customized(portal: Portal, agent_id: str, **wishes: Any) -> dict[str, Any]:
    """Save wishes and return a run that was told under them."""
    shown = put(portal, agent_id, **wishes).json()
    wait_for(lambda: ran(portal, agent_id)["config_revision"] == shown["revision"], 3, "the override")
    return ran(portal, agent_id)


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["pm_csm", "dev", "qa_automation", "viewer"])
def test_told__to_a_member_who_configures_no_agents__refused(
    portal: Portal, echo: Scripted, role: str
) -> None:
    """What the organisation has written is not for everybody, not even of one's own run."""
    run_id = ran(portal, echo.agent_id, role="dev")["run_id"]
    answer = asked(portal, run_id, role=role)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_told__to_another_organisation__not_found(portal: Portal, echo: Scripted) -> None:
    run_id = ran(portal, echo.agent_id)["run_id"]
    assert asked(portal, run_id, "acme").status_code == 404
    assert asked(portal, str(uuid4())).status_code == 404
    with portal.client("globex", None) as nobody, portal.client(None) as platform:
        assert nobody.get(f"/runs/{run_id}/told").status_code == 401
        assert platform.get(f"/runs/{run_id}/told").status_code == 403


def test_told__to_a_key_that_only_configures__refused(
    portal: Portal, tenants: Tenants, echo: Scripted
) -> None:
    """It takes both rights: to see the run, and to see what is configured."""
    owner = somebody(tenants["globex"], "owner").user
    run_id = ran(portal, echo.agent_id)["run_id"]
    answers = {}
    for scopes in (["agents:configure"], ["runs:read"], ["agents:configure", "runs:read"]):
        key = key_of(tenants["globex"], owner, scopes=scopes)[1]
        with portal.client("globex", None) as client:
            answer = client.get(f"/runs/{run_id}/told", headers={"X-API-Key": key})
        answers[" ".join(scopes)] = answer.status_code
    assert answers == {"agents:configure": 403, "runs:read": 403, "agents:configure runs:read": 200}


# --- proved ------------------------------------------------------------------------------------------------------


def test_told__without_an_override__is_the_agents_own_prompt(portal: Portal, echo: Scripted) -> None:
    run = ran(portal, echo.agent_id)
    shown = told(portal, run["run_id"])
    assert (shown["verified"], shown["reason"], shown["config_revision"]) == (True, "", 0)
    assert shown["system_prompt"] == run["output"] == PLAIN
    assert [layer["kind"] for layer in shown["layers"]] == ["base", "locked", "base"]
    assert shown["max_tokens"] > 0


def test_told__after_later_edits__is_the_old_text(portal: Portal, echo: Scripted, tenants: Tenants) -> None:
    """A run keeps a snapshot of what it was really told: no later change of anybody moves it."""
    run = customized(portal, echo.agent_id, custom_prompt=RULES, max_tokens_override=77)
    stored(portal, run, tenants["globex"])
    put(portal, echo.agent_id, custom_prompt=RULES.replace("ISO 13485", "our own style"))
    with portal.client("globex", "owner") as client:
        assert client.delete(f"/tenant/agents/{echo.agent_id}/config").status_code == 204
    with portal.client(None) as client:
        body = {"system_prompt": "Other.", "changelog": "Other words.", "rollout_percentage": 100}
        assert client.post(f"/admin/agents/{echo.agent_id}/versions", json=body).status_code == 201
        changed = client.put(f"/admin/agents/{echo.agent_id}", json=AGENT)
        assert changed.status_code == 200, changed.text
    shown = told(portal, run["run_id"])
    assert shown["verified"], shown["reason"]
    assert shown["system_prompt"] == run["output"] == f"{PLAIN}\n\n## Client-Specific Instructions\n\n{RULES}"
    assert sha256(shown["system_prompt"].encode()).hexdigest() == shown["prompt_hash"] == run["prompt_hash"]
    assert "".join(layer["text"] for layer in shown["layers"]) == shown["system_prompt"]
    assert shown["layers"][-1]["kind"] == "tenant"
    assert (shown["version"], shown["config_revision"]) == ("1.0.0", 1)
    assert (shown["provider"], shown["model"]) == ("openai", echo.model)
    assert shown["max_tokens"] is None, "the agent was changed since: its limit of then is not known"


def test_told__of_a_replaced_prompt__proved_where_replacing_is_no_longer_admitted(
    portal: Portal, echo: Scripted
) -> None:
    wishes = {"custom_prompt": RULES, "prompt_override_mode": "replace", "acknowledge_replace": True}
    run = customized(portal, echo.agent_id, **wishes)
    with portal.client(
        "globex", "owner", portal.new_webs(1, TENANT_PROMPT_REPLACE_ENABLED="no")[0]
    ) as client:
        shown = client.get(f"/runs/{run['run_id']}/told").json()
    assert (shown["verified"], shown["system_prompt"]) == (True, f"Never invent a fact.\n\n{RULES}")


def test_told__while_the_run_is_under_way__from_redis_alone(portal: Portal, tenants: Tenants) -> None:
    agent = portal.scripted("chunks=400,interval=50", system_prompt=BASE)
    with (
        portal.client("globex") as client,
        Stream(client, f"/agents/{agent.agent_id}/stream", {"input": "x"}) as stream,
    ):
        run_id = stream.take(2)[0].run_id
        with tenancy.use(tenants["globex"]):
            assert not Run.objects.filter(pk=run_id).exists()
        shown = told(portal, run_id)
        client.post(f"/runs/{run_id}/cancel")
    assert (shown["verified"], shown["system_prompt"], shown["model"]) == (True, PLAIN, agent.model)


def test_told__of_a_trial__is_the_draft_that_was_never_saved(
    portal: Portal, echo: Scripted, tenants: Tenants
) -> None:
    put(portal, echo.agent_id, custom_tags=["saved"])
    path, body = (
        f"/tenant/agents/{echo.agent_id}/config/trial",
        {"config": {"custom_prompt": RULES}, "input": "x"},
    )
    with portal.client("globex", "owner") as client, Stream(client, path, body) as stream:
        last = list(stream)[-1]
    stored(portal, {"run_id": last.run_id}, tenants["globex"])
    shown = told(portal, last.run_id)
    assert (shown["verified"], shown["config_revision"]) == (True, 0)
    assert shown["system_prompt"] == last.data["output"]
    assert shown["layers"][-1]["text"].endswith(RULES)
    assert get(portal, echo.agent_id)["custom_prompt"] is None


def test_told__of_a_run_that_says_it_is_a_trial__is_what_the_hash_proves(
    portal: Portal, echo: Scripted, tenants: Tenants
) -> None:
    """Parameters are the caller's: words that a member puts there never pass for what the model was told."""
    forged = {"trial": True, "draft": {"custom_prompt": RULES}}
    run = ran(portal, echo.agent_id, role="dev", parameters=forged)
    stored(portal, run, tenants["globex"])
    shown = told(portal, run["run_id"])
    assert (shown["verified"], shown["system_prompt"]) == (True, PLAIN)


# --- not proved --------------------------------------------------------------------------------------------------


def test_told__after_somebody_altered_the_revision__not_verified(portal: Portal, echo: Scripted) -> None:
    run = customized(portal, echo.agent_id, custom_prompt=RULES)
    table = "public.tenant_agent_config_revisions"
    with as_owner() as connection:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER revision_is_immutable")
        connection.execute(
            f"""UPDATE {table} SET config = jsonb_set(config, '{{custom_prompt}}', '"Never said."')
            WHERE agent_id = %s""",
            [echo.agent_id],
        )
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER revision_is_immutable")
    shown = told(portal, run["run_id"])
    assert (shown["verified"], shown["reason"]) == (False, reading.OTHER_TEXT)
    assert shown["prompt_hash"] == run["prompt_hash"]


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"prompt_hash": ""}, reading.NO_HASH, PLAIN),
        ({"version": "9.9.9"}, "Version 9.9.9 of the agent is not there.", None),
        ({"config_revision": 7}, "Revision 7 of your configuration is not there.", None),
        ({"parameters": {"trial": True}}, reading.NO_DRAFT, None),
        ({"parameters": {"trial": True, "draft": {"custom_prompt": 1}}}, reading.NO_DRAFT, None),
        ({"status": "queued"}, reading.NOT_STARTED, PLAIN),
        ({"content_hash": "b" * 64, "prompt_hash": sha256(PLAIN.encode()).hexdigest()}, reading.OTHER_VERSION, PLAIN),
    ],
    ids=["no hash", "no version", "no revision", "no draft", "bad draft", "queued", "other content"],
)  # fmt: skip
def test_told__where_something_is_missing__says_what(
    portal: Portal, echo: Scripted, tenants: Tenants, fields: dict[str, Any], reason: str, text: str | None
) -> None:
    kept = {"version": "1.0.0", "content_hash": "", "prompt_hash": "a" * 64, "status": "completed", **fields}
    with tenancy.use(tenants["globex"]):
        row = Run.objects.create(
            id=uuid7(), agent_id=echo.agent_id, version_reason="stable", conversation_id=uuid4(), user_id=uuid4(),
            input="x", provider="openai", model="m", created_at=datetime.now(UTC), **kept,
        )  # fmt: skip
    shown = told(portal, str(row.pk))
    assert (shown["verified"], shown["reason"], shown["system_prompt"]) == (False, reason, text)


def test_told__of_a_run_that_is_not_stored_yet__proved_or_said_so(
    portal: Portal, echo: Scripted, tenants: Tenants
) -> None:
    """Between its end and its row a run is known by what it shows alone."""
    run = ran(portal, echo.agent_id)
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    found = {}
    for prompt_hash in (run["prompt_hash"], "a" * 64):
        run_id, tenant_id = str(uuid7()), str(tenants["globex"].id)
        shown = {**run, "run_id": run_id, "tenant_id": tenant_id, "prompt_hash": prompt_hash}
        client.set(result_key(run_id), orjson.dumps(shown), ex=60)
        found[prompt_hash] = told(portal, run_id)
    proved, unproved = found.values()
    assert (proved["verified"], proved["system_prompt"], proved["model"]) == (True, PLAIN, None)
    assert (unproved["verified"], unproved["reason"]) == (False, reading.NOT_STORED)

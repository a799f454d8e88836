"""Agents and versions in the console: the API's rules, said at the field, with nothing typed lost."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from governance.audit.models import AuditEvent
from qualisys import tenancy
from qualisys.console import PLATFORM_CHAIN
from tenants.models import User
from tests.console import AGENT, errors, post, register
from versions.models import AgentVersion

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    """Look at the database as the platform."""
    with tenancy.use(tenancy.platform("tests")):
        yield


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


def test_fallbacks__are_typed_one_on_a_line(owner: httpx.Client) -> None:
    agent = register(owner, fallbacks="vllm  some model \r\n\r\nanthropic claude")
    assert agent.fallbacks == [
        {"provider": "vllm", "model": "some model"}, {"provider": "anthropic", "model": "claude"},
    ]  # fmt: skip
    path = f"agents/agentdefinition/{agent.pk}/change/"
    assert "vllm some model\nanthropic claude</textarea>" in owner.get(f"/admin/{path}").text
    for typed, told in (("vllm", "0.model"), ("nobody m", "unknown provider"), ("openai any", "own model")):
        assert told in errors(post(owner, path, **{**AGENT, "agent_id": agent.agent_id, "fallbacks": typed}))


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

"""Writes of overrides: what must work although the rules have changed since they were saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from agents import definitions
from agents.models import AgentDefinition
from agents.registry import from_model
from qualisys import tenancy
from qualisys.problems import Problem
from tenants.overrides import registry, selectors, services
from tenants.overrides.merge import Override, merge
from tenants.overrides.models import TenantAgentConfig
from tenants.overrides.wishes import Wishes
from tests.people import SYSTEM
from versions import semver
from versions import services as versions
from versions.rollout import Version

pytestmark = pytest.mark.usefixtures("database")

RULES = "Number every requirement as REQ-<area>-<number> and keep the wording of ISO 13485 throughout."


@pytest.fixture
def tenant(tenants: dict[str, tenancy.Tenant]) -> Iterator[tenancy.Tenant]:
    with tenancy.use(tenants["spare_3"]):
        yield tenants["spare_3"]


@pytest.fixture
def agent_id(tenant: tenancy.Tenant) -> str:
    """An agent whose first version is pinned by the tenant, and has been retired since."""
    name = f"override-{uuid4().hex[:8]}"
    made = definitions.parse({"agent_id": name, "name": "A", "required_roles": ["dev"]})
    with tenancy.use(tenancy.platform("tests")):
        versions.register_agent(
            actor=SYSTEM, definition=made, prompt=definitions.Prompt(system_prompt="First.")
        )
    wishes = Wishes(custom_prompt=RULES, pinned_version="1.0.0")
    services.save_config(actor=SYSTEM, tenant=tenant, agent_id=name, wishes=wishes)
    with tenancy.use(tenancy.platform("tests")):
        data = {"system_prompt": "Second."}
        versions.create_version(actor=SYSTEM, agent_id=name, data=data, changelog="x", rollout_percentage=100)
        versions.update_version(actor=SYSTEM, agent_id=name, version="1.0.0", status="retired")
    return name


def row(tenant: tenancy.Tenant, agent_id: str) -> TenantAgentConfig:
    return TenantAgentConfig.objects.get(tenant_id=tenant.id, agent__agent_id=agent_id)


@pytest.mark.parametrize(
    ("wishes", "allowed"),
    [
        ({}, ["openai b"]),
        ({"fallbacks": "none"}, []),
        ({"fallbacks": "any"}, ["openai b", "vllm c"]),
        ({"fallbacks": "any", "llm_model_override": "b"}, ["vllm c"]),
        ({"llm_provider_override": "vllm", "llm_model_override": "x"}, ["vllm c"]),
    ],
    ids=str,
)
def test_fallbacks__are_what_agent_and_tenant_allow(
    tenant: tenancy.Tenant, wishes: dict[str, Any], allowed: list[str]
) -> None:
    agent = AgentDefinition(
        agent_id="a", name="A", llm_provider="openai", llm_model="a",
        fallbacks=[{"provider": "openai", "model": "b"}, {"provider": "vllm", "model": "c"}],
    )  # fmt: skip
    version = Version("a", semver.parse("1.0.0"), "x", {}, "h", "active", 100)
    settled = merge(from_model(agent), version, "stable", Override(Wishes(**wishes)), may_replace=False)
    assert [" ".join(each) for each in settled.fallbacks] == allowed
    assert settled.provenance["fallbacks"] == ("tenant" if "fallbacks" in wishes else "default")
    assert Override(Wishes(fallbacks="any")).customized is False, "who may stand in is no custom agent (F6)"


def test_save__of_wishes_that_no_longer_satisfy_the_rules__refused(
    tenant: tenancy.Tenant, agent_id: str
) -> None:
    with pytest.raises(Problem, match="validation_error"):
        services.save_config(
            actor=SYSTEM, tenant=tenant, agent_id=agent_id, wishes=registry.wishes_of(row(tenant, agent_id))
        )


def test_switch__of_wishes_that_no_longer_satisfy_the_rules__works(
    tenant: tenancy.Tenant, agent_id: str
) -> None:
    for enabled in (False, True):
        services.set_enabled(actor=SYSTEM, tenant=tenant, agent_id=agent_id, enabled=enabled)
        assert row(tenant, agent_id).enabled is enabled
    assert [each["changed"] for each in selectors.history(tenant.id, agent_id)[:2]] == [
        ["enabled"],
        ["enabled"],
    ]


def test_switch__leaves_the_notice_about_a_new_base(tenant: tenancy.Tenant, agent_id: str) -> None:
    services.set_enabled(actor=SYSTEM, tenant=tenant, agent_id=agent_id, enabled=False)
    listed = {each["agent_id"]: each for each in selectors.list_agents(tenant)}[agent_id]
    assert (listed["base_changed"], row(tenant, agent_id).base_version) == (True, "1.0.0")


def test_history__of_a_prompt_with_lines_of_dashes__shows_them(tenant: tenancy.Tenant, agent_id: str) -> None:
    with tenancy.use(tenant):
        wishes = Wishes(custom_prompt=f"{RULES}\n-- a line of dashes")
        services.save_config(actor=SYSTEM, tenant=tenant, agent_id=agent_id, wishes=wishes)
        services.save_config(
            actor=SYSTEM, tenant=tenant, agent_id=agent_id, wishes=Wishes(custom_prompt=RULES)
        )
    assert "--- a line of dashes" in selectors.history(tenant.id, agent_id)[0]["prompt_diff"]

"""What an identity may: role, grants, and the limits of a key."""

from __future__ import annotations

from uuid import uuid4

import pytest

from agents.registry import Agent
from qualisys import roles, tenancy
from tenants import permissions
from tenants.identity import Identity, Person

HOME = tenancy.Tenant(uuid4(), "home", "Home")
AGENT = Agent(
    str(uuid4()), "a", "A", "", "custom", "custom", "openai", "m", 100, 1, (), ("dev",),
    {"dev": "run", "viewer": "read", "pm_csm": "approve", "owner": "full"}, (), (), "", True,
)  # fmt: skip
RUN, SEE, RUNS = "agents.run_agentdefinition", "agents.view_agentdefinition", "governance.view_run"


def identity(
    role: str = "dev",
    scopes: tuple[str, ...] = (),
    platform: str = "",
    grants: frozenset[tuple[str, str]] = frozenset(),
) -> Identity:
    person = Person(uuid4(), "a@b.example", "A", role, platform, grants)
    return Identity(
        person, None if platform else HOME, "key" if scopes else "token", "prefix", frozenset(scopes)
    )


@pytest.mark.parametrize("role", ["admin", "qa_manual", "client_stakeholder", "", "boss"])
def test_agent__for_a_role_without_access__nothing(role: str) -> None:
    assert not any(identity(role).has_perm(perm, AGENT) for perm in (RUN, SEE, RUNS))


@pytest.mark.parametrize(
    ("role", "runs"), [("owner", True), ("dev", True), ("viewer", False), ("pm_csm", False)]
)
def test_agent__by_access_level__seen_and_perhaps_run(role: str, runs: bool) -> None:
    who = identity(role)
    assert (who.has_perm(SEE, AGENT), who.has_perm(RUNS, AGENT), who.has_perm(RUN, AGENT)) == (
        True,
        True,
        runs,
    )


def test_grant__of_one_agent__adds_exactly_that() -> None:
    granted = identity("qa_manual", grants=frozenset({(RUN, AGENT.id)}))
    assert granted.has_perm(RUN, AGENT)
    assert not granted.has_perm(RUNS, AGENT)
    assert not identity("qa_manual", grants=frozenset({(RUN, str(uuid4()))})).has_perm(RUN, AGENT)


@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [
        ("agents:read", SEE, RUN),
        ("runs:read", RUNS, "governance.add_run"),
        ("runs:write", RUN, "tenants.view_membership"),
        ("platform:read", SEE, "agents.add_agentdefinition"),
        ("unknown:scope", "", SEE),
    ],
)
def test_scoped_key__of_an_owner__reaches_no_further(scope: str, may: str, may_not: str) -> None:
    who = identity("owner", (scope,))
    assert not who.has_perm(may_not, AGENT if may_not in (RUN, SEE, RUNS) else None)
    assert not may or who.has_perm(may, AGENT if may in (RUN, SEE, RUNS) else None)


@pytest.mark.parametrize("scope", sorted(permissions.SCOPES))
def test_scoped_key__of_a_viewer__gives_nothing_that_the_role_has_not(scope: str) -> None:
    everything = set().union(*permissions.TENANT.values(), *permissions.PLATFORM.values())
    gained = {p for p in everything if identity("viewer", (scope,)).has_perm(p)} - permissions.TENANT[
        "viewer"
    ]
    assert gained == set()


def test_platform_role__has_no_say_in_a_tenant() -> None:
    assert permissions.of("viewer", "platform_owner") == permissions.TENANT["viewer"]
    assert set(permissions.PLATFORM) == set(roles.PLATFORM_ROLES)
    assert set(permissions.TENANT) == set(roles.ROLES)


def test_support__reads_and_never_writes() -> None:
    verbs = {perm.split(".")[1].split("_")[0] for perm in permissions.PLATFORM["platform_support"]}
    assert verbs == {"view"}


def test_actor__of_a_key__names_key_and_owner() -> None:
    who = identity(scopes=("runs:read",))
    assert who.actor_id == f"key:prefix:{who.user_id}"
    assert identity().actor_id.count(":") == 0

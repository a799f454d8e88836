"""What a tenant is told does not depend on the process, its hash seed or the order of things."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import FULL
from tests.portal import ROOT

pytestmark = pytest.mark.promise

TENANTS = 2000 if FULL else 200

PROGRAM = """
import sys, django
from uuid import UUID
django.setup()
from agents.registry import Agent
from qualisys import tenancy
from tenants import effective
from tenants.overrides.merge import Override
from tenants.overrides.wishes import Wishes
from versions.rollout import Version
from versions.semver import SemVer

agent = Agent("1", "a", "A", "", "custom", "custom", "openai", "m", 900, 60, (), ("dev",), {}, (), ("t",), "", True)
versions = tuple(
    Version("a", SemVer(1, minor, 0), f"Prompt {minor}. [[locked]]Stay.[[/locked]]", {}, f"h{minor}", "active", share)
    for minor, share in ((2, 20), (1, 50), (0, 100))
)
rules = "Number every requirement and keep the wording of the standard throughout."
for number in range(int(sys.argv[1])):
    mode = ("append", "prepend", "replace")[number % 3]
    wishes = Wishes(custom_prompt=rules, prompt_override_mode=mode, custom_tags=["z", "a"], metadata={"b": 1, "a": 2})
    tenant = tenancy.Tenant(UUID(int=number), f"t{number}", "T", "enterprise")
    found = effective.settle(tenant, agent, versions, Override(wishes, 1))
    print(found.version.number, found.reason, found.prompt_hash, found.tags, sorted(found.provenance.items()))
"""


def resolved(seed: str) -> list[str]:
    env = {**os.environ, "PYTHONHASHSEED": seed, "DJANGO_SETTINGS_MODULE": "qualisys.settings",
           "TENANT_PROMPT_REPLACE_ENABLED": "yes"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(TENANTS)],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_configuration__in_processes_with_other_hash_seeds__is_the_same() -> None:
    """P20: version, prompt, tags and provenance of every tenant."""
    first, second = resolved("1"), resolved("4711")
    assert len(first) == TENANTS
    assert first == second
    assert {line.split()[0] for line in first} == {"1.2.0", "1.1.0", "1.0.0"}

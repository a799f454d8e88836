"""The seven built-in agents: what the registry stores about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from agents.builtin.gates import GATES, Gate

FOLDER = Path(__file__).parent

Access = Literal["full", "run", "approve", "read"]
#: Levels that include running the agent. "approve" is read plus approve, "run" is run plus read.
RUNNING: frozenset[Access] = frozenset({"full", "run"})


@dataclass(frozen=True, slots=True)
class BuiltinAgent:
    """A built-in agent with its prompt and schema.

    `max_tokens_per_invocation` caps the tokens of one run, input and answer. Prompt and schema have up to 30 kB, so the
    answer gets half of it: 16,000, about what gpt-4o can give at most.
    `access` says what a role may do with it; a role that is absent does not see the agent.
    `required_roles` are the roles that may invoke it: those of the specification and those `access` lets run.
    """

    agent_id: str
    name: str
    description: str
    phase: Literal["mvp", "post_mvp"]
    tags: tuple[str, ...]
    icon: str
    input_types: tuple[str, ...]
    timeout_seconds: int
    required_roles: tuple[str, ...]
    access: dict[str, Access]
    approval_gates: list[Gate]
    system_prompt: str = field(repr=False)
    output_schema: dict[str, Any] = field(repr=False)
    type: Literal["builtin"] = "builtin"
    llm_provider: str = "openai"
    llm_model: str = "gpt-4o"
    max_tokens_per_invocation: int = 32_000


def _agent(
    agent_id: str,
    name: str,
    description: str,
    phase: Literal["mvp", "post_mvp"],
    tags: str,
    *,
    icon: str,
    inputs: str,
    timeout: int,
    roles: str,
    access: dict[str, Access],
) -> BuiltinAgent:
    return BuiltinAgent(
        agent_id=agent_id,
        name=name,
        description=description,
        phase=phase,
        tags=tuple(tags.split()),
        icon=icon,
        input_types=tuple(inputs.split()),
        timeout_seconds=timeout,
        required_roles=tuple(roles.split()),
        access={"owner": "full", "admin": "full", **access},
        approval_gates=GATES[agent_id],
        system_prompt=(FOLDER / f"{agent_id}.md").read_text(encoding="utf-8"),
        output_schema=json.loads((FOLDER / f"{agent_id}.schema.json").read_text(encoding="utf-8")),
    )


def load() -> list[BuiltinAgent]:
    """Return the seven agents in the order of work. Files are read once per process."""
    return list(_agents())


@cache
def _agents() -> tuple[BuiltinAgent, ...]:
    return (
        _agent(
            "baconsultant",
            "BAConsultant AI Agent",
            "Requirements analysis → test-ready user stories",
            "mvp",
            "requirements user-stories gap-analysis",
            icon="file-text",
            inputs="pdf docx xlsx csv md txt json",
            timeout=300,
            roles="owner admin pm_csm qa_automation",
            access={"pm_csm": "full", "qa_automation": "read", "qa_manual": "read"},
        ),
        _agent(
            "qaconsultant",
            "QAConsultant AI Agent",
            "Test strategy, manual checklists, BDD scenarios",
            "mvp",
            "test-strategy bdd test-cases",
            icon="list-checks",
            inputs="pdf docx xlsx csv md txt json",
            timeout=300,
            roles="owner admin pm_csm qa_automation qa_manual",
            access={"pm_csm": "approve", "qa_automation": "full", "qa_manual": "full", "dev": "read"},
        ),
        _agent(
            "automationconsultant",
            "AutomationConsultant AI Agent",
            "Automated scripts, framework architecture, self-healing",
            "mvp",
            "playwright automation self-healing",
            icon="bot",
            inputs="docx xlsx csv md txt json",
            timeout=300,
            roles="owner admin qa_automation dev",
            access={"pm_csm": "read", "qa_automation": "full", "dev": "run"},
        ),
        _agent(
            "logreader",
            "AI Log Reader/Summarizer",
            "Log analysis, error pattern detection, negative tests",
            "post_mvp",
            "logs error-patterns negative-testing",
            icon="scroll-text",
            inputs="csv md txt json",
            timeout=180,
            roles="owner admin pm_csm qa_automation dev",
            access={
                "pm_csm": "full",
                "qa_automation": "full",
                "qa_manual": "read",
                "dev": "full",
                "viewer": "read",
            },
        ),
        _agent(
            "securityscanner",
            "Security Scanner Orchestrator",
            "Vulnerability scanning, OWASP Top 10",
            "post_mvp",
            "security owasp vulnerability",
            icon="shield",
            inputs="pdf docx csv md txt json",
            timeout=240,
            roles="owner admin qa_automation dev",
            access={"pm_csm": "read", "qa_automation": "full", "dev": "run"},
        ),
        _agent(
            "performanceagent",
            "Performance/Load Agent",
            "Load/stress testing, bottleneck identification",
            "post_mvp",
            "performance load-testing k6",
            icon="gauge",
            inputs="pdf docx xlsx csv md txt json",
            timeout=240,
            roles="owner admin qa_automation dev",
            access={"pm_csm": "read", "qa_automation": "full", "dev": "full", "viewer": "read"},
        ),
        _agent(
            "dbconsultant",
            "DatabaseConsultant AI Agent",
            "Schema validation, data integrity, ETL validation",
            "post_mvp",
            "database schema etl performance",
            icon="database",
            inputs="xlsx csv md txt json",
            timeout=240,
            roles="owner admin qa_automation dev",
            access={"pm_csm": "read", "qa_automation": "full", "dev": "full", "viewer": "read"},
        ),
    )

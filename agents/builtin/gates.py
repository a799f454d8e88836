"""The gates the built-in agents ship with.

Every gate is a plain mapping, because it is stored as data and tenants tighten it: `name` (slug), `title`,
`stage`, `mandatory`, `condition` (a CEL expression over `input` and `output`; null means always), `approvers`
(roles), `required` (number of approvals), `approvers_all` (one approval from each listed role), `after` (slug
of the gate that must be passed first) and `sla_hours` (null: before the next step, without a clock).
"""

from __future__ import annotations

from typing import Literal, TypedDict

Stage = Literal["before_run", "after_run", "before_release"]


class Gate(TypedDict):
    """One approval gate as it is stored with an agent."""

    name: str
    title: str
    stage: Stage
    mandatory: bool
    condition: str | None
    approvers: list[str]
    required: int
    approvers_all: bool
    after: str | None
    sla_hours: int | None


def _gate(
    name: str,
    title: str,
    stage: Stage,
    approvers: str,
    *,
    sla: int | None = 24,
    when: str | None = None,
    mandatory: bool = True,
    everyone: bool = False,
    after: str | None = None,
) -> Gate:
    roles = approvers.split()
    return {
        "name": name,
        "title": title,
        "stage": stage,
        "mandatory": mandatory,
        "condition": when,
        "approvers": roles,
        "required": len(roles) if everyone else 1,
        "approvers_all": everyone,
        "after": after,
        "sla_hours": sla,
    }


def _watch(name: str, title: str, when: str, approvers: str) -> Gate:
    """Return a gate that fires on what a run found; a tenant may switch it off, unlike a mandatory one."""
    return _gate(name, title, "after_run", approvers, when=when, mandatory=False)


#: A story below the mark fires the gate even when the set as a whole passes.
_WEAK_STORIES = "output.quality.total < 32 || output.stories.exists(s, s.quality.total < 32)"
#: A query measured only once has no regression: null is not a number and must not fire the gate.
_SLOWER_QUERY = "output.queries.exists(q, q.regression_percent != null && q.regression_percent > 50)"

GATES: dict[str, list[Gate]] = {
    "baconsultant": [
        _gate("internal-review", "Internal team review", "after_run", "pm_csm qa_automation"),
        _gate(
            "client-review",
            "Client review",
            "after_run",
            "client_stakeholder",
            after="internal-review",
            sla=48,
        ),
        _watch("story-quality", "Story quality below 32 of 40", _WEAK_STORIES, "pm_csm qa_automation"),
        _watch(
            "critical-gap",
            "Critical gap in the requirements",
            'output.gaps.exists(g, g.severity == "critical")',
            "pm_csm",
        ),
        _watch("explicit-assumptions", "Explicit assumptions", "size(output.assumptions) > 0", "pm_csm"),
    ],
    "qaconsultant": [
        _gate("test-case-review", "Test case quality review", "after_run", "pm_csm"),
        _gate("sprint-readiness", "Sprint readiness validation", "before_release", "pm_csm", sla=None),
        _watch("regulated-domain", "Regulated domain", "output.domain.regulated == true", "pm_csm admin"),
        _watch(
            "compliance-impact", "Compliance impact", "size(output.compliance.impacts) > 0", "pm_csm admin"
        ),
    ],
    "automationconsultant": [
        _gate(
            "framework-architecture",
            "Framework architecture approval",
            "after_run",
            "qa_automation admin",
        ),
        _gate("script-validation", "Script generation validation", "after_run", "qa_automation"),
        _gate(
            "production-healing",
            "Self-healing fix in production",
            "before_release",
            "qa_automation pm_csm",
            when='output.healing.exists(h, h.environment == "production")',
            everyone=True,
            sla=None,
        ),
        _gate("ci-authorization", "CI/CD integration authorization", "before_release", "dev owner"),
        _watch(
            "healing-confidence",
            "Self-healing confidence below 0.85",
            "output.healing.exists(h, h.confidence < 0.85)",
            "qa_automation",
        ),
        _watch(
            "automation-readiness",
            "Automation readiness below 15 of 25",
            "output.readiness.total < 15",
            "qa_automation",
        ),
    ],
    "logreader": [
        _watch(
            "new-pattern",
            "New log pattern",
            "output.patterns.exists(p, p.is_new == true)",
            "pm_csm qa_automation dev",
        ),
    ],
    "securityscanner": [
        _gate("vulnerability-review", "Vulnerability review", "after_run", "owner admin qa_automation"),
        _gate(
            "security-test-approval", "Security test approval", "before_release", "owner admin qa_automation"
        ),
    ],
    "performanceagent": [
        _gate("load-profile", "Load profile approval", "before_run", "qa_automation dev", sla=None),
        _watch(
            "new-bottleneck",
            "New bottleneck",
            "output.bottlenecks.exists(b, b.is_new == true)",
            "qa_automation dev",
        ),
    ],
    "dbconsultant": [
        _gate("migration-script", "Migration script approval", "before_release", "dev admin", sla=None),
        _gate(
            "high-risk-change",
            "High-risk change: two approvers",
            "after_run",
            "admin dev",
            when="output.risk.score > 70",
            everyone=True,
            sla=None,
        ),
        _gate(
            "etl-validation",
            "ETL validation failure",
            "after_run",
            "qa_automation dev",
            when="output.etl.valid == false",
            sla=None,
        ),
        _gate(
            "production-schema-change",
            "Production schema change",
            "before_release",
            "admin dev",
            everyone=True,
            sla=None,
        ),
        _watch("query-regression", "Query slower by more than 50 %", _SLOWER_QUERY, "dev qa_automation"),
    ],
}

"""API descriptions, code, addresses and scanner reports become findings, tests and fixes."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from agents.demo import NOTICE
from agents.demo.material import Material
from agents.demo.reading import read_sentences, split_sentences
from agents.demo.regulation import find_in_text, find_regulations
from agents.demo.room import fit
from agents.demo.security.apis import parse_api, read_api
from agents.demo.security.code import read_code, read_report
from agents.demo.security.findings import OWASP, SEVERITIES, Finding, hide_secrets, rank
from agents.demo.stories.gaps import gap, numbered
from agents.demo.structured import parse_json

_ALLOWED = re.compile(r"\b(?:authori[sz]ed|permission|approved)\b", re.IGNORECASE)
_TESTING = re.compile(r"\b(?:test|scan|pentest)", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'<>)\]]{3,200}")


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the security engineer, with as many findings as there is room for."""
    findings, targets, methods = _read(material)
    findings = material.narrow(findings, lambda item: f"{item.weakness.title} {item.locations}")
    count = len(findings)
    return fit(
        lambda size: _answer(material, findings[:size], count, targets, methods),
        (min(count, 40), 25, 15, 8, 3, 1),
        material.room,
    )


def _read(material: Material) -> tuple[list[Finding], list[str], list[str]]:
    findings: list[Finding] = []
    targets: dict[str, None] = {}
    methods: dict[str, None] = {}
    for document in material.documents:
        api, value = parse_api(document.text), parse_json(document.text)
        reported = [] if api or value is None else list(read_report(value))
        if api is not None:
            findings += read_api(api, document.text)
            methods["Design review of the API description"] = None
        elif reported:
            findings += reported
            methods["Triage of scanner results"] = None
        else:
            found = list(read_code(document))
            findings += found
            if any(item.source == "source_code" for item in found):
                methods["Review of source and configuration"] = None
        if document.name != "message":
            targets[document.name] = None
        targets.update(dict.fromkeys(_URL.findall(document.text)[:10]))
    return rank(findings), list(targets)[:20], list(methods) or ["Reading of the input"]


def _answer(
    material: Material, findings: list[Finding], given: int, targets: list[str], methods: list[str]
) -> dict[str, Any]:
    rows = [finding.as_row(number) for number, finding in enumerate(findings, 1)]
    counts = Counter(row["severity"] for row in rows)
    authorisation = _authorisation(material)
    return {
        "summary": _summary(rows, targets, authorisation),
        "scope": {
            "targets": targets,
            "methods": methods,
            "authorisation": authorisation,
            "not_covered": [
                "Behaviour of the running system: nothing was called",
                "Code, configuration and network that the input does not show",
            ],
        },
        "findings": rows,
        "severity_counts": {severity: counts.get(severity, 0) for severity in SEVERITIES},
        "tests": [_test(number, finding, row, authorisation) for number, (finding, row) in enumerate(zip(findings, rows, strict=True), 1)],
        "compliance_tests": _compliance(material),
        "remediation": [_fix(finding, row) for finding, row in zip(findings, rows, strict=True)],
        "gaps": numbered(_gaps(findings, given, authorisation)),
        "assumptions": [],
    }  # fmt: skip


def _authorisation(material: Material) -> str | None:
    """Return the sentence that allows testing, if there is one."""
    said = [
        *split_sentences(material.question[:5_000]),
        *(item.text for item in read_sentences(material.documents)),
    ]
    return next((text for text in said if _ALLOWED.search(text) and _TESTING.search(text)), None)


def _test(number: int, finding: Finding, row: dict[str, Any], authorisation: str | None) -> dict[str, Any]:
    known = finding.weakness
    writes = known.destructive or (
        "It calls a writing operation"
        if re.match(r"(?:POST|PUT|PATCH|DELETE) ", finding.locations[0])
        else None
    )
    return {
        "id": f"TST-{number:03}",
        "title": f"{known.probe} ({finding.locations[0]})"[:160],
        "owasp": OWASP[known.owasp],
        "findings": [row["id"]],
        "objective": f"Confirm or refute {row['id']}: {known.title.lower()}",
        "steps": ["Use accounts and data made for the test", f"{known.probe}: {', '.join(finding.locations[:5])}", "Compare the answer, the log and the data"],
        "expected": known.safe,
        "tool": None,
        "destructive": writes is not None,
        "destructive_reason": writes,
        "environment": "isolated" if writes or not authorisation else "test",
    }  # fmt: skip


def _fix(finding: Finding, row: dict[str, Any]) -> dict[str, Any]:
    known = finding.weakness
    return {
        "finding": row["id"],
        "change": known.fix,
        "language": known.language,
        "before": hide_secrets(finding.before) if finding.before else None,
        "after": known.after,
        "verification": f"{known.probe}. Expected: {known.safe[:1].lower()}{known.safe[1:]}.",
        "effort": "days" if len(finding.locations) > 3 or row["severity"] == "critical" else "hours",
    }


def _compliance(material: Material) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    found = find_regulations(read_sentences(material.documents)) or find_in_text(material.everything)
    for rule, quote in found:
        for test in rule.tests:
            rows.append(
                {
                    "id": f"CMP-{len(rows) + 1:03}",
                    "regulation": rule.name,
                    "clause": None,
                    "test": test,
                    "evidence_needed": "Record of the test run, with the build, the data and who ran it",
                    "basis": quote,
                }
            )
    return rows


def _gaps(findings: list[Finding], given: int, authorisation: str | None) -> list[dict[str, Any]]:
    found = []
    if not findings:
        found.append(
            gap(
                "critical",
                "missing_data",
                "Nothing in the input could be judged for weaknesses.",
                "Which API description, source excerpt or scanner report should be read?",
            )
        )
    if findings and authorisation is None:
        found.append(
            gap(
                "high",
                "missing_owner",
                "Nobody is named who allows tests of these targets.",
                "Who authorises which tests, where and when?",
            )
        )
    if given > len(findings):
        found.append(
            gap(
                "medium",
                "scope",
                f"{given - len(findings)} findings of lower rank do not fit into this answer.",
                "Which part comes next?",
            )
        )
    return found


def _summary(rows: list[dict[str, Any]], targets: list[str], authorisation: str | None) -> str:
    if not rows:
        return (
            f"{NOTICE} No weakness was found by the rules in what was given; that does not mean there is none. An API "
            "description, source excerpts or scanner reports can be judged."
        )
    worst = rows[0]
    counts = Counter(row["severity"] for row in rows)
    shown = ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity])
    parts = [
        NOTICE,
        f"{len(rows)} findings ({shown}) in {', '.join(targets[:3]) or 'the message'}.",
        f"Worst: {worst['title']}.",
        "Nothing was called; findings below a proof in the input are suspected, not confirmed.",
    ]
    if authorisation is None:
        parts.append("No authorisation is stated, so every test is limited to an isolated environment.")
    return " ".join(parts)

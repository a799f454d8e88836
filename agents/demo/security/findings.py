"""The shape of a finding, and the fixed knowledge that belongs to each kind of weakness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("critical", "high", "medium", "low", "info")
OWASP = {
    "A01": "A01:2021 Broken Access Control",
    "A02": "A02:2021 Cryptographic Failures",
    "A03": "A03:2021 Injection",
    "A04": "A04:2021 Insecure Design",
    "A05": "A05:2021 Security Misconfiguration",
    "A06": "A06:2021 Vulnerable and Outdated Components",
    "A07": "A07:2021 Identification and Authentication Failures",
    "A08": "A08:2021 Software and Data Integrity Failures",
    "A09": "A09:2021 Security Logging and Monitoring Failures",
    "A10": "A10:2021 Server-Side Request Forgery",
}
_SECRET = re.compile(
    r"((?:key|secret|token|password|passwd|pwd)\w*[\"']?\s*[:=]\s*[\"'])([^\"']{4})[^\"']+", re.I
)


@dataclass(frozen=True, slots=True)
class Weakness:
    """What is known about a kind of weakness, whatever input it is found in."""

    key: str
    title: str
    owasp: str
    cwe: str | None
    severity: str
    impact: str
    prerequisite: str
    doubt: str
    probe: str
    safe: str
    fix: str
    after: str
    language: str
    destructive: str | None = None


@dataclass
class Finding:
    """A weakness at one or more places. `confidence` is 0 to 1."""

    weakness: Weakness
    locations: list[str]
    evidence: str
    source: str
    confidence: float
    severity: str = ""
    before: str | None = None

    def as_row(self, number: int) -> dict[str, Any]:
        """Return the finding in the shape of the schema."""
        known = self.weakness
        shown = ", ".join(self.locations[:10])
        return {
            "id": f"SEC-{number:03}",
            "title": f"{known.title} ({self.locations[0]})"[:160],
            "owasp": OWASP[known.owasp],
            "cwe": known.cwe,
            "severity": self.severity or known.severity,
            "confidence": self.confidence,
            "location": shown + (f" and {len(self.locations) - 10} more" if len(self.locations) > 10 else ""),
            "evidence": hide_secrets(self.evidence)[:400],
            "source": self.source,
            "impact": known.impact,
            "prerequisite": known.prerequisite,
            "false_positive_check": known.doubt,
            "status": "confirmed" if self.confidence >= 0.9 else "suspected",
        }


def hide_secrets(text: str) -> str:
    """Mask the values of secrets after their first four characters."""
    return _SECRET.sub(r"\1\2***", text)


def rank(findings: list[Finding]) -> list[Finding]:
    """Merge findings of one kind and source, most severe first."""
    merged: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.weakness.key, finding.source)
        if known := merged.get(key):
            known.locations.extend(place for place in finding.locations if place not in known.locations)
            known.confidence = max(known.confidence, finding.confidence)
        else:
            merged[key] = finding
    return sorted(
        merged.values(),
        key=lambda item: (SEVERITIES.index(item.severity or item.weakness.severity), -item.confidence),
    )

"""Reads source and configuration line by line, addresses in prose, and reports of scanners."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agents.demo.material import Document
from agents.demo.security.findings import Finding, Weakness
from agents.demo.security.knowledge import WEAKNESSES

MAX_LINES = 20_000
_LINE_RULES = [
    (re.compile(r"(?:execute|query|raw)\s*\(\s*(?:f[\"']|[\"'][^\"']*[\"']\s*(?:%|\+|\.format))", re.I), "sql_concat", 0.8),
    (re.compile(r"\b(?:select|insert|update|delete)\b.{0,80}[\"']\s*\+\s*\w|\b(?:SELECT|DELETE)\b.{0,80}\$\{\w", re.I), "sql_concat", 0.6),
    (re.compile(r"os\.system\s*\(|shell\s*=\s*True|child_process\.exec\s*\(|Runtime\.getRuntime\(\)\.exec"), "command", 0.7),
    (re.compile(r"(?<![\w.])(?:eval|exec)\s*\((?!\s*[\"'])"), "code_eval", 0.7),
    (re.compile(r"pickle\.loads?\s*\(|yaml\.load\s*\((?![^)]*Safe)|ObjectInputStream|unserialize\s*\("), "deserialise", 0.7),
    (re.compile(r"(?:api_?key|secret|password|passwd|token)\w*\s*[:=]\s*[\"'][^\"'\s{}$<]{8,}[\"']", re.I), "hard_secret", 0.7),
    (re.compile(r"\b(?:md5|sha1)\s*\(|MessageDigest\.getInstance\(\"(?:MD5|SHA-?1)\"|hashlib\.(?:md5|sha1)", re.I), "weak_hash", 0.6),
    (re.compile(r"verify\s*=\s*False|rejectUnauthorized\s*:\s*false|InsecureSkipVerify\s*:\s*true|CERT_NONE"), "no_tls_check", 0.9),
    (re.compile(r"\.innerHTML\s*=(?!\s*[\"'`][^$]*[\"'`]\s*;?$)|dangerouslySetInnerHTML|\|\s*safe\s*}}|document\.write\("), "script_in_page", 0.6),
    (re.compile(r"^\s*DEBUG\s*=\s*True|app\.run\([^)]*debug\s*=\s*True"), "debug_on", 0.9),
    (re.compile(r"Access-Control-Allow-Origin[\"']?\s*[:,]\s*[\"']\*|allow_origins\s*=\s*\[\s*[\"']\*|cors\(\s*\)", re.I), "open_cors", 0.6),
]  # fmt: skip
_TITLES = {
    "sql": "sql_concat",
    "shell": "command",
    "pickle": "deserialise",
    "md5": "weak_hash",
    "hardcoded": "hard_secret",
    "certificate": "no_tls_check",
    "xss": "script_in_page",
    "cross site scripting": "script_in_page",
    "cors": "open_cors",
    "debug": "debug_on",
}
_ADDRESS = re.compile(r"\bhttp://(?!localhost|127\.|\[::1\])[\w.-]{3,100}(?::\d+)?[^\s\"'<>)]{0,200}")
_TOKEN_IN_ADDRESS = re.compile(
    r"https?://[^\s\"'<>]{3,200}[?&](?:token|session\w*|api_?key|password|access_token)=", re.I
)
_LEVELS = {"critical": "critical", "high": "high", "error": "high", "medium": "medium", "warning": "medium",
           "moderate": "medium", "low": "low", "info": "info", "informational": "info"}  # fmt: skip


def read_code(document: Document) -> Iterator[Finding]:
    """Yield the findings of source, configuration or prose."""
    for number, line in enumerate(document.text.split("\n")[:MAX_LINES], 1):
        text = line.strip()[:1_000]
        place = f"{document.name}:{number}"
        if text.startswith(("#", "//", "*", "--")) and "http" not in text:
            continue
        for pattern, key, confidence in _LINE_RULES:
            if pattern.search(text):
                yield Finding(WEAKNESSES[key], [place], text, "source_code", confidence, before=text[:300])
        if found := _TOKEN_IN_ADDRESS.search(text):
            yield Finding(WEAKNESSES["secret_in_url"], [place], found.group(), "url", 0.7)
        elif address := _ADDRESS.search(text):
            yield Finding(WEAKNESSES["plain_http"], [address.group()], text, "url", 0.6)


def read_report(value: Any) -> Iterator[Finding]:
    """Yield what Bandit, Semgrep, ZAP, Snyk or similar tools report in JSON."""
    for row in _entries(value):
        extra = row["extra"] if isinstance(row.get("extra"), dict) else {}
        start = row["start"] if isinstance(row.get("start"), dict) else {}
        title = _first(row, "issue_text", "title", "alert", "name") or _first(extra, "message")
        title = title or _first(row, "check_id")
        level = _first(row, "issue_severity", "severity", "riskdesc") or _first(extra, "severity")
        if not title or not level:
            continue
        place = _first(row, "filename", "path", "packageName", "uri", "url") or "report"
        line = _first(row, "line_number") or _first(start, "line")
        weakness = _named(title, _first(row, "test_id", "check_id", "id", "pluginid"))
        severity = _LEVELS.get(level.split()[0].strip("()").lower(), "medium")
        where = f"{place}:{line}" if line else place
        yield Finding(weakness, [where], title, "scanner_report", 0.6, severity)


def _first(row: dict[str, Any], *names: str) -> str:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _named(title: str, rule: str) -> Weakness:
    """Return the known weakness a title speaks of; otherwise the general one under the tool's own title."""
    lowered = f"{title} {rule}".lower()
    for words, key in _TITLES.items():
        if words in lowered:
            return WEAKNESSES[key]
    owasp = "A06" if "upgrade" in lowered or "vulnerab" in lowered else "A05"
    return replace(WEAKNESSES["scanner"], key=f"scanner:{rule or title}", title=title[:120], owasp=owasp)


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    """Walk a report and yield the objects that look like entries."""
    waiting, seen = [value], 0
    while waiting and seen < 5_000:
        item = waiting.pop()
        seen += 1
        if isinstance(item, dict):
            if any(key in item for key in ("issue_severity", "severity", "riskdesc")) or "check_id" in item:
                yield item
            else:
                waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))

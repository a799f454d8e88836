"""Mechanical checks of an answer against the input it was made from: what a machine can judge, no more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

Answer = dict[str, Any]
Check = Callable[[Answer, str], bool]

#: Share of quotes that must occur in the input word for word.
VERBATIM = 0.95
_SPACE = re.compile(r"\s+")
_LINE_ID = re.compile(r"^\s*[-*]?\s*([A-Z]{2,6}-\d{1,4})\b", re.MULTILINE)
_CASE_ID = re.compile(r"\b(?:SMK|SAN|INT|REG|USA|UAT|TC)-\d{3}\b")
_TIMESTAMP = re.compile(r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d", re.MULTILINE)
_WRITING = re.compile(r"\b(?:insert|update|delete|drop|alter|truncate|create|grant)\b", re.IGNORECASE)
_SEVERE = {"critical", "high", "medium"}


def verbatim(quotes: Iterable[str | None], text: str) -> bool:
    """Whether nearly all quotes occur in the text; white space, '...' and masked '***' are ignored."""
    flat = _SPACE.sub(" ", text)
    found = [
        all(part.strip() in flat for part in re.split(r"\.\.\.|\*\*\*|…", _SPACE.sub(" ", quote)))
        for quote in quotes
        if quote
    ]
    return not found or sum(found) / len(found) >= VERBATIM


def total_is_sum(scores: Answer) -> bool:
    """Whether `total` is the sum of the other numbers of a score object."""
    parts = [
        value for key, value in scores.items() if key not in {"total", "pass_mark"} and isinstance(value, int)
    ]
    return bool(scores["total"] == sum(parts))


def _requirement_ids(text: str) -> set[str]:
    return {ident for ident in _LINE_ID.findall(text) if not ident.startswith("G-")}


def _ba_coverage(answer: Answer, text: str) -> bool:
    rows = Counter(row["requirement"] for row in answer["coverage"])
    return all(rows[ident] == 1 for ident in _requirement_ids(text))


def _ba_links(answer: Answer, _: str) -> bool:
    ids = {story["id"] for story in answer["stories"]}
    used = {ident for row in answer["coverage"] for ident in row["stories"]}
    return bool(ids) and used == ids


def _ba_totals(answer: Answer, _: str) -> bool:
    return all(total_is_sum(item["quality"]) for item in [*answer["stories"], answer])


def _ba_assumed(answer: Answer, _: str) -> bool:
    bases = {criterion["basis"] for story in answer["stories"] for criterion in story["acceptance_criteria"]}
    return "assumed" not in bases or bool(answer["assumptions"])


def _qa_coverage(answer: Answer, _: str) -> bool:
    coverage = answer["coverage"]
    whole, proven = coverage["total_criteria"], coverage["covered_criteria"]
    percent = 100 * proven / whole if whole else 0
    return bool(proven == len(coverage["matrix"]) and abs(percent - coverage["percent"]) < 0.6)


def _cases(answer: Answer) -> list[Answer]:
    return [case for checklist in answer["checklists"] for case in checklist["cases"]]


def _qa_unique(answer: Answer, _: str) -> bool:
    ids = [case["id"] for case in _cases(answer)]
    return bool(ids) and len(ids) == len(set(ids))


def _qa_gherkin(answer: Answer, _: str) -> bool:
    words = ("Feature:", "Scenario", "Given ", "When ", "Then ")
    return all(all(word in feature["gherkin"] for word in words) for feature in answer["features"])


def _qa_sides(answer: Answer, _: str) -> bool:
    return all(len({probe["expected"] for probe in row["values"]}) == 2 for row in answer["boundary_cases"])


def _auto_once(answer: Answer, text: str) -> bool:
    coverage = answer["coverage"]
    listed = [*coverage["automated"], *(row["case"] for row in coverage["manual"])]
    return set(_CASE_ID.findall(text)) == set(listed) and len(listed) == len(set(listed))


def _auto_code(answer: Answer, _: str) -> bool:
    codes = [script["code"] for script in answer["scripts"]]
    sound = ("import" in code and "expect" in code and "waitForTimeout" not in code for code in codes)
    return bool(codes) and all(sound)


def _log_counts(answer: Answer, text: str) -> bool:
    counted = sum(pattern["count"] for pattern in answer["patterns"])
    return bool(0 < counted <= len(_TIMESTAMP.findall(text)))


def _log_tests(answer: Answer, _: str) -> bool:
    tested = {test["pattern"] for test in answer["negative_tests"]}
    return all(row["id"] in tested for row in answer["patterns"] if row["severity"] in _SEVERE)


def _log_links(answer: Answer, _: str) -> bool:
    ids = {row["id"] for row in answer["patterns"]}
    used = {ident for row in answer["hypotheses"] for ident in row["patterns"]}
    return used | {test["pattern"] for test in answer["negative_tests"]} <= ids


def _log_order(answer: Answer, _: str) -> bool:
    return all(row["first_seen"] <= row["last_seen"] for row in answer["patterns"] if row["first_seen"])


def _log_plain(answer: Answer, _: str) -> bool:
    return not re.search(r"Traceback|Error:|Exception|NoneType|\bat \w+\.\w+\(", answer["summary"])


def _sec_counts(answer: Answer, _: str) -> bool:
    counts = Counter(row["severity"] for row in answer["findings"])
    return all(answer["severity_counts"][name] == counts.get(name, 0) for name in answer["severity_counts"])


def _sec_followed(answer: Answer, _: str) -> bool:
    severe = {row["id"] for row in answer["findings"] if row["severity"] in _SEVERE}
    tested = {ident for test in answer["tests"] for ident in test["findings"]}
    return bool(severe) and severe <= tested and severe <= {fix["finding"] for fix in answer["remediation"]}


def _sec_invented(answer: Answer, text: str) -> bool:
    return all(number in text for number in re.findall(r"CVE-\d{4}-\d+", str(answer["findings"])))


def _sec_harmless(answer: Answer, _: str) -> bool:
    return all(
        test["destructive_reason"] and test["environment"] != "production_read_only"
        for test in answer["tests"]
        if test["destructive"]
    )


def _sec_confirmed(answer: Answer, _: str) -> bool:
    return all(row["confidence"] >= 0.9 for row in answer["findings"] if row["status"] == "confirmed")


def _perf_status(answer: Answer, _: str) -> bool:
    return bool(answer["sla"]) and all(row["status"] == _perf_verdict(row) for row in answer["sla"])


def _perf_verdict(row: Answer) -> str:
    if row["actual"] is None:
        return "not_measured"
    kept = (
        row["actual"] <= row["target"] if row["comparison"] == "at_most" else row["actual"] >= row["target"]
    )
    return "met" if kept else "missed"


def _perf_ceiling(answer: Answer, text: str) -> bool:
    stated = [
        int(number.replace(",", "")) for number in re.findall(r"(\d[\d,]*) (?:concurrent )?users", text)
    ]
    return all(script["peak_users"] <= max(stated, default=0) for script in answer["scripts"])


def _perf_scripts(answer: Answer, _: str) -> bool:
    shapes = {script["profile"] for script in answer["scripts"]}
    codes = [script["code"] for script in answer["scripts"]]
    runnable = all(("k6" in code and "export default" in code) or "HttpUser" in code for code in codes)
    return shapes == {"smoke", "standard", "stress", "spike"} and runnable


def _perf_ranks(answer: Answer, _: str) -> bool:
    ranks = [row["rank"] for row in answer["recommendations"]]
    return ranks == list(range(1, len(ranks) + 1))


def _perf_flows(answer: Answer, text: str) -> bool:
    named = re.findall(r"\b(?:GET|POST|PUT|PATCH|DELETE) (/\S+)", text)
    return {flow["path"] for flow in answer["load_profile"]["flows"]} >= set(named)


def _db_score(answer: Answer, _: str) -> bool:
    risk = answer["risk"]
    score = min(100, sum(factor["points"] for factor in risk["factors"]))
    level = "low" if score <= 30 else "medium" if score <= 50 else "high" if score <= 70 else "critical"
    return bool(risk["score"] == score and risk["level"] == level)


def _db_regression(answer: Answer, _: str) -> bool:
    def right(row: Answer) -> bool:
        before, after, stated = row["before_ms"], row["after_ms"], row["regression_percent"]
        if before is None or after is None or not before:
            return stated is None
        return stated is not None and abs((after - before) / before * 100 - stated) < 1

    return bool(answer["queries"]) and all(map(right, answer["queries"]))


def _db_reads(answer: Answer, _: str) -> bool:
    return not any(_WRITING.search(re.sub(r"'[^']*'", "", row["check_sql"])) for row in answer["integrity"])


def _db_etl(answer: Answer, _: str) -> bool:
    checks = answer["etl"]["checks"]
    expected = all(row["status"] == "match" for row in checks) if checks else None
    return bool(answer["etl"]["valid"] == expected)


def _db_complete(answer: Answer, text: str) -> bool:
    bare = re.sub(r"--[^\n]*", "", text)
    verbs = re.findall(r"^(?:CREATE|ALTER|DROP|INSERT|UPDATE|DELETE|TRUNCATE|GRANT)\b", bare, re.MULTILINE)
    return len(answer["schema_diff"]) >= len(verbs)


RUBRIC: dict[str, dict[str, Check]] = {
    "baconsultant": {
        "every requirement id is in the coverage exactly once": _ba_coverage,
        "coverage and stories name each other": _ba_links,
        "5 to 8 criteria in each story": lambda a, _: all(
            5 <= len(story["acceptance_criteria"]) <= 8 for story in a["stories"]
        ),
        "totals are the sums of the dimensions": _ba_totals,
        "quotes occur in the input": lambda a, t: verbatim(
            (quote for story in a["stories"] for quote in story["source_quotes"]), t
        ),
        "assumed criteria have an assumption": _ba_assumed,
        "gaps carry verbatim quotes": lambda a, t: verbatim((gap["quote"] for gap in a["gaps"]), t),
        "a critical or high gap is found": lambda a, _: any(
            gap["severity"] in {"critical", "high"} for gap in a["gaps"]
        ),
    },
    "qaconsultant": {
        "pyramid adds up to 100": lambda a, _: (
            sum(row["share_percent"] for row in a["strategy"]["pyramid"]) == 100
        ),
        "coverage adds up": _qa_coverage,
        "case ids are unique": _qa_unique,
        "all six checklists": lambda a, _: len({row["type"] for row in a["checklists"]}) == 6,
        "Gherkin has its parts": _qa_gherkin,
        "limits are probed on both sides": _qa_sides,
        "regulation is quoted": lambda a, t: (
            a["domain"]["regulated"] and verbatim((row["evidence"] for row in a["compliance"]["impacts"]), t)
        ),
        "at most a third is P1": lambda a, _: (
            sum(case["priority"] == "P1" for case in _cases(a)) * 3 <= len(_cases(a))
        ),
    },
    "automationconsultant": {
        "readiness total is the sum": lambda a, _: total_is_sum(a["readiness"]),
        "verdict follows the total": lambda a, _: (
            (a["readiness"]["verdict"] == "ready") == (a["readiness"]["total"] >= 15)
        ),
        "every case is in one list": _auto_once,
        "scripts import, expect, and do not sleep": _auto_code,
        "broken selectors are quoted": lambda a, t: (
            bool(a["healing"]) and verbatim((row["broken"] for row in a["healing"]), t)
        ),
        "healing rests on markup": lambda a, t: verbatim((row["evidence"] for row in a["healing"]), t),
    },
    "logreader": {
        "counts fit the number of events": _log_counts,
        "examples occur in the input": lambda a, t: verbatim((row["example"] for row in a["patterns"]), t),
        "patterns of medium severity have a test": _log_tests,
        "references exist": _log_links,
        "first is not after last": _log_order,
        "evidence occurs in the input": lambda a, t: verbatim(
            (quote for row in a["hypotheses"] for quote in row["evidence"]), t
        ),
        "summary is plain": _log_plain,
    },
    "securityscanner": {
        "counts equal the findings": _sec_counts,
        "medium and above have test and fix": _sec_followed,
        "evidence occurs in the input": lambda a, t: verbatim((row["evidence"] for row in a["findings"]), t),
        "no invented CVE": _sec_invented,
        "destructive tests are fenced in": _sec_harmless,
        "confirmed only with proof": _sec_confirmed,
    },
    "performanceagent": {
        "status follows the figures": _perf_status,
        "evidence occurs in the input": lambda a, t: verbatim((row["evidence"] for row in a["sla"]), t),
        "no script beyond the profile": _perf_ceiling,
        "four runnable shapes": _perf_scripts,
        "ranks without holes": _perf_ranks,
        "every request of the input is a flow": _perf_flows,
        "bottlenecks are quoted": lambda a, t: verbatim((row["evidence"] for row in a["bottlenecks"]), t),
    },
    "dbconsultant": {
        "score and level follow the factors": _db_score,
        "regression is computed right": _db_regression,
        "check queries only read": _db_reads,
        "validity follows the checks": _db_etl,
        "every statement is in the diff": _db_complete,
        "statements occur in the input": lambda a, t: verbatim(
            (row["statement"] for row in a["schema_diff"]), re.sub(r"--[^\n]*", "", t)
        ),
        "loss of data does not pass": lambda a, _: (
            a["decision"]["verdict"] != "pass" or not any(row["data_loss"] for row in a["schema_diff"])
        ),
    },
}


def judge(agent_id: str, answer: Answer, text: str) -> dict[str, bool]:
    """Return the outcome of each check; a check that cannot be computed has failed."""
    outcomes = {}
    for name, check in RUBRIC[agent_id].items():
        try:
            outcomes[name] = bool(check(answer, text))
        except (KeyError, TypeError, ValueError, AttributeError):
            outcomes[name] = False
    return outcomes

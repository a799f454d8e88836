"""Flows, targets and results become a load profile, scripts, bottlenecks and recommendations."""

from __future__ import annotations

import re
from typing import Any

from agents.demo import NOTICE
from agents.demo.load.profile import Profile, read_profile
from agents.demo.load.scripts import write_scripts
from agents.demo.load.targets import compare, read_targets
from agents.demo.material import Material
from agents.demo.reading import Sentence, read_sentences
from agents.demo.stories.gaps import gap, numbered
from agents.demo.stories.wording import vague_words
from agents.demo.structured import parse_json

_ABOUT_SPEED = re.compile(r"\b(?:fast|quick|respons|load|slow|scalable)", re.IGNORECASE)
#: (what a sentence says, component, what to do about it, effort)
_SIGNS = (
    (r"pool\b.*\b(?:full|exhausted|(\d+) of \1)|connections in use", "connection pool", "Find what holds connections; only then change the size of the pool", "hours"),
    (r"\b429\b|rate limit|throttl", "limit of another system", "Cache or batch the calls, honour the waiting time, agree on the allowance", "days"),
    (r"cpu\b.*\b(?:9\d|100) ?%", "processor", "Profile the hottest path", "days"),
    (r"memory\b.*\b(?:9\d|100) ?%|out of memory|swap", "memory", "Take a heap profile under load", "days"),
    (r"\bqueue\b.*\b\d{2,}|requests waiting|backlog", "queue", "Find what it waits for; bound it", "days"),
    (r"\block(?:s|ed)? wait|deadlock|lock contention", "locks", "Shorten transactions on the contended rows", "days"),
    (r"slow quer|full table scan|sequential scan", "database query", "Look at the plan and the index", "hours"),
    (r"garbage collect|gc pause", "garbage collection", "Look at allocation and heap size", "days"),
)  # fmt: skip


def compose(material: Material) -> dict[str, Any]:
    """Return the answer of the performance engineer."""
    profile = read_profile(material)
    targets, actuals = read_targets(material)
    targets = material.narrow(targets, lambda target: target.flow)
    sla = compare(targets, actuals)
    sentences = read_sentences(material.documents)
    bottlenecks = _bottlenecks(sla, sentences, _known(material))
    gaps = numbered(_gaps(profile, sla, sentences))
    locust = bool(re.search(r"\blocust\b", material.everything[:20_000], re.IGNORECASE))
    return {
        "summary": _summary(profile, sla, bottlenecks, gaps),
        "load_profile": profile.as_row(),
        "sla": sla,
        "scripts": write_scripts(profile, sla, locust),
        "bottlenecks": bottlenecks,
        "recommendations": _recommendations(bottlenecks, sla, gaps),
        "gaps": gaps,
        "assumptions": _assumptions(profile),
    }


def _bottlenecks(
    sla: list[dict[str, Any]], sentences: list[Sentence], known: set[str] | None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    missed = [row for row in sla if row["status"] == "missed"]
    shown: dict[str, Sentence] = {}
    for sentence in sentences:
        for pattern, component, _, _ in _SIGNS:
            if re.search(pattern, sentence.text, re.IGNORECASE) and not re.search(
                r"\ballows?\b", sentence.text
            ):
                shown.setdefault(component, sentence)
                break
    for component, sentence in shown.items():
        confidence = 0.7 if missed else 0.4
        severity = "critical" if missed else "medium"
        rows.append(_row(len(rows), component, sentence.text, sentence.text, severity, confidence, known))
    if missed and not rows:
        worst = missed[0]
        symptom = f"{worst['flow']}: {worst['metric']} is {worst['actual']:g} {worst['unit']}, the target is {worst['target']:g}"
        rows.append(_row(0, f"path of '{worst['flow']}'", symptom, worst["evidence"], "critical", 0.3, known))
    return rows


def _row(
    count: int,
    component: str,
    symptom: str,
    evidence: str,
    severity: str,
    confidence: float,
    known: set[str] | None,
) -> dict[str, Any]:
    new = known is None or component not in known
    basis = "No earlier result was given, so it counts as new."
    if known is not None:
        basis = "An earlier result does not show it." if new else "An earlier result shows it."
    return {
        "id": f"BTL-{count + 1:03}",
        "component": component,
        "symptom": symptom,
        "evidence": evidence,
        "severity": severity,
        "confidence": confidence,
        "is_new": new,
        "novelty_basis": basis,
    }


def _known(material: Material) -> set[str] | None:
    """Return the components that earlier answers of the conversation reported; None without any."""
    known: set[str] | None = None
    for answer in material.earlier_answers:
        value = parse_json(answer)
        rows = value.get("bottlenecks") if isinstance(value, dict) else None
        if isinstance(rows, list):
            known = (known or set()) | {str(row.get("component")) for row in rows if isinstance(row, dict)}
    return known


def _recommendations(
    bottlenecks: list[dict[str, Any]], sla: list[dict[str, Any]], gaps: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    rows: list[tuple[str, str, str, list[str]]] = []
    for item in bottlenecks:
        for _, component, action, effort in _SIGNS:
            if component == item["component"]:
                rows.append(
                    (
                        action,
                        "The targets that hang on it can be met; the input supports no figure",
                        effort,
                        [item["id"]],
                    )
                )
    unmeasured = [row["id"] for row in sla if row["status"] == "not_measured"]
    if unmeasured:
        rows.append(
            (
                "Run the standard script and fill in what is not measured",
                "Every target gets a verdict",
                "hours",
                unmeasured,
            )
        )
    severe = [item["id"] for item in gaps if item["severity"] in {"critical", "high"}]
    if severe:
        rows.append(
            ("Answer the open questions before the next run", "The result can be trusted", "hours", severe)
        )
    return [
        {"rank": rank, "action": action, "expected_effect": effect, "effort": effort, "addresses": ids}
        for rank, (action, effect, effort, ids) in enumerate(rows, 1)
    ]


def _gaps(profile: Profile, sla: list[dict[str, Any]], sentences: list[Sentence]) -> list[dict[str, Any]]:
    if not profile.flows and not sla:
        ask = "Which flows, at which rate, against which targets, where, and with which data?"
        return [gap("critical", "missing_data", "The input names neither flows nor targets.", ask)]
    found = [*_unstated(profile), *_little(profile)]
    for sentence in sentences:
        for word, ask in vague_words(sentence.text)[:1]:
            if _ABOUT_SPEED.search(sentence.text):
                place = [f"line {sentence.line}"]
                found.append(gap("medium", "ambiguity", f"'{word}' is no target.", ask, place, sentence.text))
    if any(row["status"] != "not_measured" for row in sla):
        words = "Nothing is said about the load generator, warm-up and build of the measured run."
        ask = "Was the generator idle enough, and was warm-up excluded?"
        found.append(gap("medium", "missing_data", words, ask))
    return found


def _unstated(profile: Profile) -> list[dict[str, Any]]:
    """Return what a load test cannot do without."""
    found = []
    if profile.environment is None:
        words = "No environment is named; the load might hit production."
        ask = "Where may this load be run, and who has approved it?"
        found.append(gap("critical", "missing_value", words, ask))
    for value, name in (
        (profile.users, "number of concurrent users"),
        (profile.steady, "length of the steady phase"),
        (profile.think, "pause between steps"),
    ):
        if value is None:
            found.append(gap("high", "missing_value", f"The {name} is not stated.", f"What is the {name}?"))
    shares = [flow.share for flow in profile.flows if flow.share is not None]
    if shares and round(sum(shares)) != 100:
        words = f"The shares add up to {sum(shares):g} %, not 100 %."
        found.append(gap("medium", "conflict", words, "Which shares hold?"))
    if not any(flow.path for flow in profile.flows):
        words = "No flow names a request, so no script could be written."
        found.append(gap("high", "missing_data", words, "Which request does each flow send?"))
    return found


def _little(profile: Profile) -> list[dict[str, Any]]:
    """Check concurrency = rate x time in the system, as far as it is stated."""
    if not (profile.users and profile.rate and profile.think):
        return []
    per_user = profile.users / profile.rate
    if per_user >= profile.think:
        return []
    words = f"{profile.users} users at {profile.rate:g} starts per second leave {per_user:.1f} s per flow, less than the pause of {profile.think:g} s."
    return [gap("high", "conflict", words, "Which of users, rate and pause is right?")]


def _assumptions(profile: Profile) -> list[dict[str, Any]]:
    if not profile.flows:
        return []
    rows = [
        (
            "Each step is one request; its body and its data are filled in by the team.",
            "The input names requests, not their content.",
        )
    ]
    if profile.steady is None:
        rows.append(("The steady phase lasts ten minutes.", "The input states no length."))
    if profile.users is None:
        rows.append(("Ten users stand for the normal peak.", "The input states no number of users."))
    return [
        {"id": f"ASM-{number:03}", "statement": statement, "reason": reason,
         "impact_if_wrong": "The scripts have to be adapted before a result means anything.", "source_refs": []}
        for number, (statement, reason) in enumerate(rows, 1)
    ]  # fmt: skip


def _summary(
    profile: Profile, sla: list[dict[str, Any]], bottlenecks: list[dict[str, Any]], gaps: list[dict[str, Any]]
) -> str:
    if not profile.flows and not sla:
        return (
            f"{NOTICE} The input names neither flows nor targets. Needed first: flows with requests, their shares, users "
            "or rate at peak, targets as percentiles, and the environment."
        )
    count = {
        status: sum(row["status"] == status for row in sla) for status in ("met", "missed", "not_measured")
    }
    parts = [
        NOTICE,
        f"{len(profile.flows)} flows at {profile.users or 'an unstated number of'} users in {profile.environment or 'an unstated environment'}.",
        f"Of {len(sla)} targets {count['met']} are met, {count['missed']} missed, {count['not_measured']} not measured.",
    ]
    if bottlenecks:
        parts.append(f"First bottleneck: {bottlenecks[0]['component']}.")
    if gaps:
        parts.append(f"{len(gaps)} points are open; first: {gaps[0]['question']}")
    return " ".join(parts)

"""Writes load scripts for the four shapes, with thresholds taken from the targets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agents.demo.load.profile import Flow, Profile

_SHAPES = {
    "smoke": "Does the script work, and is the environment alive?",
    "standard": "Are the targets met at the normal peak?",
    "stress": "Where does it break, and how, when load grows in steps?",
    "spike": "Does it survive a sudden jump, and recover?",
}
_PLACE = re.compile(r"(?:(\w+)/)?\{(\w+)\}")
_PERCENTILES = {"latency_p50": "p(50)", "latency_p90": "p(90)", "latency_p95": "p(95)", "latency_p99": "p(99)",
                "latency_avg": "avg", "latency_max": "max"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the test: users reached at its end, length in seconds."""

    users: int
    seconds: int


def write_scripts(profile: Profile, sla: list[dict[str, Any]], locust: bool) -> list[dict[str, Any]]:
    """Return one script per shape; none when the input names no request."""
    flows = [flow for flow in profile.flows if flow.path]
    if not flows:
        return []
    rows = []
    for shape, purpose in _SHAPES.items():
        stages = _stages(shape, profile)
        code = _locust(flows, profile, stages) if locust else _k6(flows, profile, stages, sla)
        rows.append(
            {
                "profile": shape,
                "tool": "locust" if locust else "k6",
                "path": f"load/{shape}.{'py' if locust else 'js'}",
                "purpose": purpose,
                "code": code,
                "peak_users": max(stage.users for stage in stages),
                "duration_seconds": sum(stage.seconds for stage in stages),
                "needs": ["BASE_URL", *(["TOKEN"] if not locust else []), *_placeholders(flows)],
            }
        )
    return rows


def _stages(shape: str, profile: Profile) -> list[Stage]:
    peak = min(profile.users or 10, profile.most_users)
    most, ramp, steady = max(profile.most_users, 1), profile.ramp or 120, profile.steady or 600
    if shape == "smoke":
        return [Stage(1, 60)]
    if shape == "standard":
        return [Stage(peak, ramp), Stage(peak, steady), Stage(0, 60)]
    if shape == "stress":
        steps = [peak + (most - peak) * part // 3 for part in range(4)]
        return [*(Stage(max(users, 1), 180) for users in dict.fromkeys(steps)), Stage(0, 60)]
    return [Stage(peak, 60), Stage(most, 10), Stage(most, 120), Stage(peak, 10), Stage(peak, 180)]


def _placeholders(flows: list[Flow]) -> list[str]:
    names = (_variable(found) for flow in flows for found in _PLACE.finditer(flow.path or ""))
    return list(dict.fromkeys(names))


def _variable(found: re.Match[str]) -> str:
    """Name the variable of a path parameter after the segment before it: /results/{id} is TEST_RESULTS_ID."""
    return "_".join(["TEST", *(part.upper() for part in found.group(1, 2) if part)])


def _before(found: re.Match[str]) -> str:
    return f"{found.group(1)}/" if found.group(1) else ""


def _k6(flows: list[Flow], profile: Profile, stages: list[Stage], sla: list[dict[str, Any]]) -> str:
    staged = ", ".join(f"{{ duration: '{stage.seconds}s', target: {stage.users} }}" for stage in stages)
    limits = "".join(
        f"    {key}: [{', '.join(values)}],\n" for key, values in _thresholds(flows, sla).items()
    )
    think = profile.think or 1
    parts = [
        "import http from 'k6/http';",
        "import { check, sleep } from 'k6';",
        "",
        "const base = __ENV.BASE_URL;",
        "const params = (flow) => ({",
        "  headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${__ENV.TOKEN}` },",
        "  tags: { flow },",
        "});",
        "",
        "export const options = {",
        f"  stages: [{staged}],",
        "  thresholds: {",
        limits.rstrip("\n") or "    http_req_failed: ['rate<0.01'],",
        "  },",
        "};",
        "",
        "const flows = [",
        *(_k6_flow(flow) for flow in flows),
        "];",
        "const total = flows.reduce((sum, flow) => sum + flow.share, 0);",
        "",
        "export default function () {",
        "  let pick = Math.random() * total;",
        "  const flow = flows.find((item) => (pick -= item.share) <= 0) || flows[0];",
        "  const answer = flow.run();",
        "  check(answer, { [`${flow.name}: answered 2xx`]: (r) => r.status >= 200 && r.status < 300 });",
        f"  sleep({think / 2:g} + Math.random() * {think:g});",
        "}",
        "",
    ]
    return "\n".join(parts)


def _k6_flow(flow: Flow) -> str:
    method = (flow.method or "GET").lower()
    plain = (flow.path or "/").replace("`", "%60").replace("${", "%24{").replace("\\", "%5C")
    path = _PLACE.sub(lambda found: _before(found) + "${__ENV." + _variable(found) + "}", plain)
    address = f"`${{base}}{path}`" if path.startswith("/") else f"`{path}`"
    name = _quoted(flow.name)
    body = "" if method == "get" else "'{}', "
    call = {"delete": "del"}.get(method, method)
    share = f"{flow.share:g}" if flow.share is not None else "1"
    return f"  {{ name: {name}, share: {share}, run: () => http.{call}({address}, {body}params({name})) }},"


def _thresholds(flows: list[Flow], sla: list[dict[str, Any]]) -> dict[str, list[str]]:
    limits: dict[str, list[str]] = {}
    names = {flow.name.lower(): flow.name for flow in flows}
    for row in sla:
        known = names.get(row["flow"].lower())
        tag = f"{{flow:{known}}}" if known else ""
        if row["metric"] in _PERCENTILES:
            limits.setdefault(_quoted(f"http_req_duration{tag}"), []).append(
                f"'{_PERCENTILES[row['metric']]}<{row['target']:g}'"
            )
        elif row["metric"] == "error_rate":
            limits.setdefault(_quoted(f"http_req_failed{tag}"), []).append(f"'rate<{row['target'] / 100:g}'")
        elif row["metric"] == "throughput":
            limits.setdefault("http_reqs", []).append(f"'rate>{row['target']:g}'")
    return limits


def _locust(flows: list[Flow], profile: Profile, stages: list[Stage]) -> str:
    think = profile.think or 1
    ends, elapsed = [], 0
    for stage in stages:
        elapsed += stage.seconds
        ends.append(f"    ({elapsed}, {stage.users}),")
    tasks = []
    for number, flow in enumerate(flows, 1):
        path = _PLACE.sub(
            lambda found: _before(found) + "{os.environ['" + _variable(found) + "']}", flow.path or "/"
        )
        prefix = "f" if "{" in path else ""
        body = "" if flow.method in {None, "GET", "DELETE"} else ", json={}"
        tasks += [
            f"    @task({max(1, round(flow.share or 1))})",
            f"    def flow_{number}(self) -> None:",
            f"        self.client.{(flow.method or 'GET').lower()}({prefix}{_double(path)}, name={_double(flow.name)}{body})",
            "",
        ]
    return "\n".join([
        "import os", "", "from locust import HttpUser, LoadTestShape, between, task", "",
        "# (end of the stage in seconds, users)", "STAGES = [", *ends, "]", "", "",
        "class Shape(LoadTestShape):", "    def tick(self) -> tuple[int, float] | None:",
        "        now = self.get_run_time()",
        "        return next(((users, max(users / 10, 1)) for end, users in STAGES if now < end), None)", "", "",
        "class Visitor(HttpUser):", '    host = os.environ["BASE_URL"]',
        f"    wait_time = between({think / 2:g}, {think * 1.5:g})", "", *tasks,
    ])  # fmt: skip


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"


def _double(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'

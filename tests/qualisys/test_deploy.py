"""What is deployed beside the product speaks of metrics that it has, and of runbooks that are there."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client import REGISTRY

from agents import metrics
from tests.portal import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "agent-health.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
_METRIC = re.compile(r"\b(?:agent|execution)_[a-z_]+\b")
#: Labels and runbooks look like metrics.
_OTHER = {"agent_id"}


def known() -> set[str]:
    assert metrics.RUNS
    return {name for metric in REGISTRY.collect() for name in _names(metric.name)}


def _names(name: str) -> set[str]:
    return {name, *(f"{name}_{end}" for end in ("total", "bucket", "count", "sum"))}


@pytest.mark.parametrize("path", [DASHBOARD, ALERTS], ids=lambda path: path.name)
def test_deployed__names_only_metrics_that_exist(path: object) -> None:
    text = DASHBOARD.read_text() if path == DASHBOARD else ALERTS.read_text()
    expressions = (
        [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
        if path == DASHBOARD
        else re.findall(r"expr: (.*?)\n {8}(?:for|labels)", text, re.DOTALL)
    )
    named = {name for each in expressions for name in _METRIC.findall(each)} - _OTHER
    assert named
    assert named - known() == set()


def test_alerts__every_runbook__is_there() -> None:
    runbooks = re.findall(r"runbook: (\S+)", ALERTS.read_text())
    assert runbooks
    assert [each for each in runbooks if not (ROOT / each).is_file()] == []


def test_dashboard__has_what_people_look_for() -> None:
    """AC6 of story 6.5c: breaker, tokens as bars, timeout rate and error rate as lines."""
    kinds = {panel["title"]: panel["type"] for panel in json.loads(DASHBOARD.read_text())["panels"]}
    assert (kinds["Circuit of each agent"], kinds["Tokens an hour"]) == ("stat", "barchart")
    assert kinds["Share of runs that time out"] == kinds["Share of runs that fail"] == "timeseries"

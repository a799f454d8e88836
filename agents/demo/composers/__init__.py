"""One composer per built-in agent: material in, answer by the agent's output schema out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.demo.composers import (
    automationconsultant,
    baconsultant,
    dbconsultant,
    logreader,
    performanceagent,
    qaconsultant,
    securityscanner,
)
from agents.demo.material import Material

COMPOSERS: dict[str, Callable[[Material], dict[str, Any]]] = {
    "baconsultant": baconsultant.compose,
    "qaconsultant": qaconsultant.compose,
    "automationconsultant": automationconsultant.compose,
    "logreader": logreader.compose,
    "securityscanner": securityscanner.compose,
    "performanceagent": performanceagent.compose,
    "dbconsultant": dbconsultant.compose,
}

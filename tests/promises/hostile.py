"""Hooks of schemathesis: what it finds by itself in the demo's registry is left alone."""

from __future__ import annotations

from typing import Any

import schemathesis

from agents import builtin

PROTECTED = {agent.agent_id for agent in builtin.load()}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Point every request that would change a built-in agent at an agent of its own."""
    if case.method not in ("GET", "HEAD") and (case.path_parameters or {}).get("agent_id") in PROTECTED:
        case.path_parameters["agent_id"] = "release-notes"

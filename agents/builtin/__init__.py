"""The built-in agents as data: prompts, output schemas, roles and gates."""

from __future__ import annotations

from agents.builtin.definitions import RUNNING, Access, BuiltinAgent, load
from agents.builtin.gates import Gate

__all__ = ["RUNNING", "Access", "BuiltinAgent", "Gate", "load"]

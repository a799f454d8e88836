"""The guard's refusals in words: which limit, how much of it is used, when it frees, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from agents.guard.plan import Plan
from qualisys.problems import Problem

#: What a circuit that is being probed tells others: the probe may be done any moment.
PROBING_RETRY = 5


def refusal(plan: Plan, reply: Sequence[Any]) -> Problem:
    """Return the Problem of a refusal as the guard's script gives it."""
    code, scope, period, limit, used, milliseconds = reply
    code, scope, period = code.decode(), scope.decode(), period.decode()
    if code == "agent_circuit_open":
        return _circuit(plan, period, milliseconds)
    if scope == "provider":
        first = plan.candidates[0]
        detail = (
            f"The model provider {first.provider} limits the rate of requests. Try again when it takes more."
        )
        return _problem(code, detail, milliseconds, scope=scope, provider=first.provider)
    if period == "minute":
        detail = (
            f"{_whose(scope)} may start {limit:,} runs a minute, and {used:,} were started. Wait a moment."
        )
        return _problem(code, detail, milliseconds, scope=scope, period=period, limit=limit, used=used)
    if period == "at_once":
        detail = f"{_whose(scope)} may have {limit:,} runs under way at once. Wait until one has ended."
        return _problem(code, detail, milliseconds, scope=scope, period=period, limit=limit, used=used)
    return _budget(code, scope, period, limit, used, milliseconds)


def _budget(code: str, scope: str, period: str, limit: int, used: int, milliseconds: int) -> Problem:
    now = datetime.now(UTC)
    if period == "month":
        following = (now.replace(day=1) + timedelta(days=32)).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        milliseconds = round((following - now).total_seconds() * 1000)
    money = code == "cost_budget_exceeded"
    shown = [f"${number / 1_000_000:,.2f}" if money else f"{number:,} tokens" for number in (limit, used)]
    when = "tomorrow, 00:00 UTC" if period == "day" else "on the first of next month"
    detail = (
        f"{_whose(scope)} may use {shown[0]} a {period}; {shown[1]} are used or reserved by runs under way, and this "
        f"run could not be covered. It starts anew {when}; an administrator can raise the limit."
    )
    return _problem(
        code,
        detail,
        milliseconds,
        scope=scope,
        period=period,
        limit=limit / 1_000_000 if money else limit,
        used=used / 1_000_000 if money else used,
        remedy="Ask an administrator to raise the limit, or wait until it starts anew.",
    )


def _circuit(plan: Plan, state: str, milliseconds: int) -> Problem:
    seconds = milliseconds if state == "open" else min(milliseconds, PROBING_RETRY * 1000)
    detail = "The agent failed too often and is paused. "
    detail += (
        f"It is tried again in {ceil(seconds / 1000)} seconds."
        if state == "open"
        else "One run is trying it right now; try again in a moment."
    )
    return _problem(
        "agent_circuit_open",
        detail,
        seconds,
        scope="tenant" if plan.customized else "agent",
        state=state,
        agent_id=plan.agent_id,
        remedy="Wait; a platform administrator can also reset the circuit.",
    )


def _whose(scope: str) -> str:
    return "Your organisation" if scope == "tenant" else "This agent in your organisation"


def _problem(code: str, detail: str, milliseconds: int, **extra: Any) -> Problem:
    seconds = max(1, ceil(milliseconds / 1000))
    reset = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
    return Problem(code, detail, headers={"Retry-After": str(seconds)}, extra={**extra, "reset": reset})

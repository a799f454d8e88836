"""The guard's scripts and the model of its breaker side by side, under one clock that tests set."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis

from agents.guard import Candidate, Plan, scripts
from agents.guard.plan import Price
from agents.limits.settle import Settled
from benchmarks import breaker_model as model
from benchmarks.breaker_model import Admitted, Breaker, Refused, Rules, Verdict
from qualisys.redis import Script

#: A database that nothing else in the tests uses.
DATABASE = 9
#: Where the tests' time begins: a minute before a midnight.
START = 1_767_225_540_000
CLOCK = "test:clock"

_FREE = Price(0, 0)
_BODY = re.compile(r"(?<=local function clock\(\)\n).*?(?=\nend\n)", re.DOTALL)


def plan(
    agent: str = "a",
    tenant: int = 1,
    models: Sequence[str] = ("m",),
    rules: Rules | None = None,
    *,
    customized: bool = False,
    shadow: bool = False,
) -> Plan:
    """Return a plan in which nothing but circuits limits a run."""
    rules = rules or Rules()
    conduct = {
        "breaker_failures": rules.failures,
        "breaker_window_seconds": rules.window // 1000,
        "breaker_cooldown_seconds": rules.cooldown // 1000,
        "breaker_share": rules.share,
    }
    return Plan(
        tenant_id=UUID(int=tenant),
        agent_id=agent,
        candidates=[Candidate("openai", each, _FREE) for each in models],
        limits=Settled({}, {}, conduct, 100, {}, {}, {}, conduct, conduct),
        max_tokens=100,
        timeout_seconds=30,
        base_bytes=0,
        customized=customized,
        shadow=shadow,
    )


def circuits(of: Plan) -> list[model.Candidate]:
    """Return a plan's candidates as the model knows them."""
    return [model.Candidate(*of.circuits_of(each)) for each in of.candidates]


def rules_of(of: Plan) -> Rules:
    """Return a plan's rules as the model knows them."""
    conduct = of.limits.conduct
    return Rules(
        conduct["breaker_failures"],
        conduct["breaker_window_seconds"] * 1000,
        conduct["breaker_cooldown_seconds"] * 1000,
        conduct["breaker_share"],
    )


class Guard:
    """The real scripts on a real server; only what they take for the time is the tests'."""

    def __init__(self) -> None:
        url = os.environ["REDIS_URL"].rpartition("/")[0]
        self.redis = redis.Redis.from_url(f"{url}/{DATABASE}", decode_responses=True)
        self._digests: dict[str, str] = {}

    def forget(self, tenants: Sequence[UUID]) -> None:
        """Begin with nothing but tenants whose counters are seeded."""
        self.redis.flushdb()
        self.redis.mset({"memory": "test:0", **{f"seeded:{each}": "test:0" for each in tenants}})

    def run(self, script: Script, *args: str | int) -> Any:
        """Run a step of the guard on the tests' clock."""
        if script.digest not in self._digests:
            source, replaced = _BODY.subn(f"  return tonumber(redis.call('GET', '{CLOCK}'))", script.source)
            assert replaced == 1
            self._digests[script.digest] = str(self.redis.script_load(source))
        return self.redis.evalsha(self._digests[script.digest], 0, *args)

    def set_clock(self, now: int, step: int) -> None:
        """Let time pass, for what expires too: pauses are the one thing whose expiry the rule relies on."""
        self.redis.set(CLOCK, now)
        for key in self.redis.scan_iter("backoff:*", count=1000):
            # The server's own time has passed as well, by less than the second that all times here are multiples of.
            left = -(-int(self.redis.pttl(key)) // 1000) * 1000 - step
            if left > 0:
                self.redis.pexpire(key, left)
            else:
                self.redis.delete(key)


@dataclass
class Pair:
    """Whatever is done here is done to both, and both must answer the same."""

    guard: Guard
    tenants: Sequence[UUID] = (UUID(int=1), UUID(int=2), UUID(int=3))
    now: int = START
    breaker: Breaker = field(default_factory=Breaker)
    runs: int = 0
    plans: dict[str, tuple[Plan, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.guard.forget(self.tenants)
        self.guard.set_clock(self.now, 0)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds * 1000
        self.guard.set_clock(self.now, seconds * 1000)

    def admit(self, of: Plan) -> str | Refused:
        """Begin a run; return its name, or why not."""
        run, self.runs = f"run-{self.runs}", self.runs + 1
        said = self.guard.run(
            scripts.ADMIT, run, of.seconds, "{}", "process", of.encoded.decode(), of.max_tokens, 0
        )
        expected = self.breaker.admit(
            run, circuits(of), of.agent_id, rules_of(of), now=self.now, lease=of.seconds * 1000,
            shadow=of.shadow,
        )  # fmt: skip
        if isinstance(expected, Admitted):
            assert (said[0], said[1], said[-1]) == ("ok", expected.at, expected.shadow)
            self.plans[run] = of, expected.at
            return run
        _, code, scope, why, *_, left = said
        limited = expected.why == "limited"
        told = ("rate_limited", "provider") if limited else ("agent_circuit_open", "agent")
        assert (code, scope, why) == (*told, expected.why)
        # A pause ends by the server's own clock, which has gone on a little.
        assert left == expected.left or (self.breaker.pauses and 0 <= expected.left - left < 1000)
        return expected

    def settle(self, run: str, own: Verdict = "ok", model: Verdict | None = None) -> None:
        """End a run, whether it is under way or not."""
        of, _ = self.plans[run]
        model = model or own
        self.guard.run(
            scripts.SETTLE, run, f"events:{run}", "{}", "{}", 3600, "", "", own, model, 1, 0, str(of.tenant_id),
            of.agent_id, "2026-01-01", "test",
        )  # fmt: skip
        self.breaker.settle(run, own, model, now=self.now)

    def take_back(self, run: str) -> None:
        """Undo an admission."""
        self.guard.run(scripts.TAKE_BACK, run)
        self.breaker.take_back(run, now=self.now)

    def advance(self, run: str, seconds: int) -> int:
        """Let a run's provider ask for a pause; return the candidate it goes on with, or 0."""
        of, at = self.plans[run]
        said = int(self.guard.run(scripts.ADVANCE, run, at, seconds * 1000, of.encoded.decode()))
        lease = of.seconds * 1000
        expected = self.breaker.advance(run, at, seconds * 1000, circuits(of), now=self.now, lease=lease)
        assert said == expected
        self.plans[run] = of, said or at
        return said

    def reset(self, *names: str) -> None:
        """Close circuits by hand."""
        assert self.guard.run(scripts.RESET, "by hand", *names) == self.breaker.reset(names)

    def runs_of(self, of: Plan, count: int, verdict: Verdict) -> int:
        """Let so many runs begin and end at once, one after the other; return how many were admitted."""
        admitted = 0
        for _ in range(count):
            run = self.admit(of)
            if isinstance(run, str):
                self.settle(run, verdict)
                admitted += 1
        return admitted

    def check(self) -> None:
        """Compare everything that can be seen of every circuit."""
        names = sorted(self.breaker.circuits)
        if not names:
            return
        rows = self.guard.run(scripts.READ, *names)
        seen = {name: (row[0], row[1], row[4]) for name, row in zip(names, rows, strict=True)}
        assert seen == {name: self.breaker.read(name, self.now) for name in names}
        closed = {name for name in names if self.breaker.circuits[name].state == "closed"}
        assert self.guard.redis.smembers("circuits") == set(names) - closed

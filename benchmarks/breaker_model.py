"""The breaker's rule in plain Python: what `agents/guard/lua` does to circuits, without a server and without a clock.

The simulation of its false alarms runs on it, and a test drives it beside the real scripts: it is only worth something
as long as both say the same (`tests/promises/test_p14_breaker_model.py`). Times are milliseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

#: Runs are counted by the ten seconds in which they end.
BUCKET = 10_000
#: What a probe's lease holds beyond the run's own.
PROBE_GRACE = 5_000

State = Literal["closed", "open", "half_open"]
Verdict = Literal["ok", "failure", "neutral"]


@dataclass(frozen=True, slots=True)
class Rules:
    """When a circuit opens, and for how long."""

    failures: int = 5
    window: int = 120_000
    cooldown: int = 60_000
    share: float = 0.1


class Candidate(NamedTuple):
    """A model that may answer: its own circuit, its model's ('' for none), and where its provider's pauses are kept."""

    own: str
    model: str
    backoff: str


class Lease(NamedTuple):
    """What a run under way is judged by."""

    candidate: Candidate
    member: str
    rules: Rules


class Admitted(NamedTuple):
    """The number of the candidate, from 1; in shadow also what would have been refused."""

    at: int
    shadow: str = ""


class Refused(NamedTuple):
    """Why no candidate may be called, and for how many milliseconds at least."""

    why: str
    left: int


@dataclass(slots=True)
class Circuit:
    """One circuit. `shared` ones open only where more than one member fails."""

    shared: bool = False
    state: State = "closed"
    until: int = 0
    probe: str | None = None
    #: When and whose, the newest first.
    failed: deque[tuple[int, str]] = field(default_factory=deque)
    #: Runs and failures by bucket.
    counts: dict[int, list[int]] = field(default_factory=dict)

    def ask(self, now: int) -> tuple[str, int]:
        """Return what a run is told: closed, probe, or the state and how long it lasts."""
        if self.state == "closed":
            return "closed", 0
        left = self.until - now
        return (self.state, left) if left > 0 else ("probe", 0)

    def count(self, now: int, runs: int, failures: int = 0) -> None:
        """Count runs that end at a time, with the failures among them."""
        counted = self.counts.setdefault(now // BUCKET, [0, 0])
        counted[0] += runs
        counted[1] += failures

    def judge(self, run: str, verdict: Verdict, now: int, rules: Rules, member: str = "") -> None:
        """Take a run's verdict; while the circuit is not closed, only the probe's."""
        if self.state != "closed":
            if self.probe != run:
                return
            if verdict == "ok":
                self.close()
            elif verdict == "failure":
                self.open(now, rules)
            else:
                self.let_go(run, now)
        elif verdict == "ok":
            self.count(now, 1)
        elif verdict == "failure":
            self.count(now, 1, 1)
            self.failed.appendleft((now, member))
            while len(self.failed) > rules.failures:
                self.failed.pop()
            if self.is_failing(now, rules):
                self.open(now, rules)

    def is_failing(self, now: int, rules: Rules) -> bool:
        """Tell whether the newest failures are enough, new enough, of enough members and a large enough share."""
        last = list(islice(self.failed, rules.failures))
        if len(last) < rules.failures or now - last[-1][0] > rules.window:
            return False
        if self.shared and len({member for _, member in last}) < 2:
            return False
        runs, failures = self.in_window(now, rules)
        return failures + 1e-9 >= rules.share * runs

    def in_window(self, now: int, rules: Rules) -> tuple[int, int]:
        """Return the runs and failures of the window, which begins with a whole bucket."""
        newest = now // BUCKET
        found = [
            self.counts[bucket] for bucket in range(oldest(now, rules), newest + 1) if bucket in self.counts
        ]
        return sum(each[0] for each in found), sum(each[1] for each in found)

    def open(self, now: int, rules: Rules) -> None:
        """Refuse everybody, until the cool-down is over."""
        self.state, self.until, self.probe = "open", now + rules.cooldown, None

    def close(self) -> None:
        """Forget the failures; how many runs there were stays known."""
        self.state, self.probe = "closed", None
        self.failed.clear()

    def try_with(self, run: str, until: int) -> None:
        """Let one run try, alone, until it ends or its time is over."""
        self.state, self.until, self.probe = "half_open", until, run

    def let_go(self, run: str, now: int) -> None:
        """Let the next run try, because this one says nothing."""
        if self.state != "closed" and self.probe == run:
            self.state, self.until, self.probe = "open", now, None


def oldest(now: int, rules: Rules) -> int:
    """Return the first bucket of the window that ends now."""
    return now // BUCKET - -(-rules.window // BUCKET)


class Breaker:
    """All circuits, and the runs that are under way."""

    def __init__(self) -> None:
        self.circuits: dict[str, Circuit] = {}
        self.pauses: dict[str, int] = {}
        self.leases: dict[str, Lease] = {}

    def circuit(self, name: str) -> Circuit:
        """Return a circuit by name."""
        return self.circuits.setdefault(name, Circuit(shared=name.startswith("circuit:*|")))

    def admit(
        self,
        run: str,
        candidates: Sequence[Candidate],
        member: str,
        rules: Rules,
        *,
        now: int,
        lease: int,
        shadow: bool = False,
    ) -> Admitted | Refused:
        """Admit a run to the first candidate that may be called; as its probe where its circuits ask for one."""
        found = self._choose(candidates, 1, now)
        noted = ""
        if isinstance(found, Refused):
            if not shadow:
                return found
            noted = "rate_limited" if found.why == "limited" else "agent_circuit_open"
            found = 1, []
        at, probes = found
        for circuit in probes:
            circuit.try_with(run, now + lease + PROBE_GRACE)
        self.leases[run] = Lease(candidates[at - 1], member, rules)
        return Admitted(at, noted)

    def settle(self, run: str, own: Verdict, model: Verdict, *, now: int) -> None:
        """End a run; one that has ended, or was never admitted, says nothing."""
        if (lease := self.leases.pop(run, None)) is None:
            return
        for name, verdict in ((lease.candidate.own, own), (lease.candidate.model, model)):
            if name:
                self.circuit(name).judge(run, verdict, now, lease.rules, lease.member)

    def take_back(self, run: str, *, now: int) -> None:
        """Undo an admission of which nothing came."""
        if (lease := self.leases.pop(run, None)) is not None:
            self._let_go(run, lease.candidate, now)

    def advance(
        self, run: str, at: int, pause: int, candidates: Sequence[Candidate], *, now: int, lease: int
    ) -> int:
        """Leave a candidate's provider alone and go on with the next; return its number, 0 for none."""
        self.pauses[candidates[at - 1].backoff] = now + max(1, pause)
        if (held := self.leases.get(run)) is None:
            return 0
        self._let_go(run, candidates[at - 1], now)
        found = self._choose(candidates, at + 1, now)
        if isinstance(found, Refused):
            return 0
        following, probes = found
        for circuit in probes:
            circuit.try_with(run, now + lease + PROBE_GRACE)
        self.leases[run] = held._replace(candidate=candidates[following - 1])
        return following

    def reset(self, names: Sequence[str]) -> list[str]:
        """Close circuits by hand and forget their failures; return those that were not closed."""
        refused = [name for name in names if self.circuit(name).state != "closed"]
        for name in names:
            self.circuit(name).close()
        return refused

    def read(self, name: str, now: int) -> tuple[State, int, int]:
        """Return a circuit's state as people see it, how long it stays so, and the failures it remembers."""
        circuit = self.circuit(name)
        said, left = circuit.ask(now)
        return "half_open" if said == "probe" else circuit.state, left, len(circuit.failed)

    def _choose(
        self, candidates: Sequence[Candidate], first: int, now: int
    ) -> tuple[int, list[Circuit]] | Refused:
        refusals = []
        for at, candidate in enumerate(candidates[first - 1 :], first):
            met = self._meet(candidate, now)
            if not isinstance(met, Refused):
                return at, met
            refusals.append(met)
        if not refusals:
            return Refused("", 0)
        return Refused(refusals[0].why, min(each.left for each in refusals))

    def _meet(self, candidate: Candidate, now: int) -> list[Circuit] | Refused:
        if (left := self.pauses.get(candidate.backoff, now) - now) > 0:
            return Refused("limited", left)
        probes = []
        for circuit in self._circuits(candidate):
            said, left = circuit.ask(now)
            if said == "probe":
                probes.append(circuit)
            elif said != "closed":
                return Refused(said, left)
        return probes

    def _let_go(self, run: str, candidate: Candidate, now: int) -> None:
        for circuit in self._circuits(candidate):
            circuit.let_go(run, now)

    def _circuits(self, candidate: Candidate) -> Iterator[Circuit]:
        return (self.circuit(name) for name in (candidate.own, candidate.model) if name)

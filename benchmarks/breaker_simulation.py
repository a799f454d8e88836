"""How often the breaker opens on healthy days, and how soon in an outage.

Runs come at random times (Poisson), and each fails with the same chance. Only failures are simulated one by one; how
many runs ended well between them is drawn where the rule looks at it. Beside it stands what can be calculated: the
number of failures a day at which the rule's conditions hold, which is at least the share of days with an opening.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import ceil, comb, exp, lgamma, log, sqrt
from statistics import NormalDist, median, quantiles

from benchmarks.breaker_model import BUCKET, Circuit, Rules, oldest

DAY = 86_400
#: Runs a minute: from one to twenty a second.
TRAFFIC = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200)
#: The same more finely, from one to 1,200.
GRID = tuple(1200 ** (step / 120) for step in range(121))
#: Shares of a healthy provider's calls that fail.
NOISE = (0.001, 0.005, 0.01, 0.02, 0.05)
#: What is aimed at: less than this share of healthy days, at this noise, whatever the traffic.
AIM, AT_NOISE = 0.01, 0.005
RULES = Rules()
#: The specification's count: five failures in two minutes, of however many runs.
BARE = Rules(share=0.0)
#: Failures that are simulated for one figure at most, and days.
FAILURES, DAYS = 150_000, 3_000

_NORMAL = NormalDist()


def days_of(rate: float, noise: float) -> int:
    """Return for how many days so many runs a second are simulated."""
    return max(3, min(DAYS, int(FAILURES / (rate * noise * DAY))))


@dataclass(slots=True)
class _Day:
    """A circuit, and the good runs of its buckets, drawn as late as possible."""

    rate: float
    circuit: Circuit
    chance: random.Random
    drawn: dict[int, float]

    def draw(self, now: float, rules: Rules) -> None:
        """Draw the good runs of the window that ends now."""
        for bucket in range(oldest(int(now), rules), int(now) // BUCKET + 1):
            begin = self.drawn.get(bucket, bucket * BUCKET)
            end = min(now, (bucket + 1) * BUCKET)
            if end > begin:
                self.drawn[bucket] = end
                self.circuit.count(
                    bucket * BUCKET, _poisson(self.rate * (end - begin) / 1000, self.chance.random())
                )


def opens(rate: float, noise: float, rules: Rules, chance: random.Random) -> bool:
    """Simulate a healthy day of `rate` runs a second; tell whether the circuit opened."""
    day = _Day(rate * (1 - noise), Circuit(), chance, {})
    circuit, per_ms = day.circuit, rate * noise / 1000
    before = rules.window + BUCKET
    now = chance.expovariate(per_ms)
    while now < before + DAY * 1000:
        failed = circuit.failed
        if now < before:
            failed.appendleft((int(now), ""))
            circuit.count(int(now), 1, 1)
        else:
            if (
                rules.share
                and len(failed) >= rules.failures - 1
                and now - failed[rules.failures - 2][0] <= rules.window
            ):
                day.draw(now, rules)
            circuit.judge("", "failure", int(now), rules)
            if circuit.state == "open":
                return True
        now += chance.expovariate(per_ms)
    return False


def share_of_days(rate: float, noise: float, rules: Rules = RULES, days: int | None = None) -> float:
    """Return the share of simulated healthy days on which the circuit opened."""
    chance = random.Random(f"{rate:.6f} {noise} {rules.share}")
    days = days or days_of(rate, noise)
    return sum(opens(rate, noise, rules, chance) for _ in range(days)) / days


def at_most(rate: float, noise: float, rules: Rules = RULES) -> float:
    """Return the expected number of failures a day at which the circuit would open, at most 1.

    Seen from one failure the others come as they always do: at least `failures - 1` in the window before it, and all
    failures of the buckets a large enough share of the runs in them. The window begins up to a bucket earlier there.
    """
    window, failures_a_day = rules.window / 1000, rate * noise * DAY
    others = _chances(rate * noise * window)
    if not rules.share:
        return min(1.0, failures_a_day * sum(others[rules.failures - 1 :]))
    steps = 10
    total = 0.0
    for step in range(steps):
        more = (step + 0.5) / steps * BUCKET / 1000
        good = list(accumulate(_chances(rate * (1 - noise) * (window + more))))
        earlier = _chances(rate * noise * more)
        for inside, chance in enumerate(others[rules.failures - 1 :], rules.failures):
            for outside, too in enumerate(earlier):
                most = int((inside + outside) * (1 / rules.share - 1) + 1e-9)
                total += chance * too * good[min(most, len(good) - 1)]
    return min(1.0, failures_a_day * total / steps)


def at_most_evenly(rate: float, noise: float, rules: Rules = RULES) -> float:
    """Return the same where runs come like a clock: their number is sure, so no quiet window has fewer failures."""
    window, steps, total = rules.window / 1000, 20, 0.0
    inside = int(rate * window)
    for step in range(steps):
        runs = int(rate * (window + (step + 0.5) / steps * BUCKET / 1000)) + 1
        needed = ceil(rules.share * runs - 1e-9)
        before = _choices(runs - 1 - inside, noise)
        for others, chance in enumerate(_choices(inside, noise)[rules.failures - 1 :], rules.failures - 1):
            total += chance * sum(before[max(0, needed - 1 - others) :])
    return min(1.0, rate * noise * DAY * total / steps)


@cache
def worst(noise: float = AT_NOISE, rules: Rules = RULES) -> tuple[float, float]:
    """Return the runs a minute at which healthy days open most often by calculation, and that bound."""
    return max(((rate, at_most(rate / 60, noise, rules)) for rate in GRID), key=lambda each: each[1])


@cache
def worst_evenly(noise: float = AT_NOISE, rules: Rules = RULES) -> tuple[float, float]:
    """Return the same where runs come like a clock; it matters where few runs are in a window."""
    rates = [tenths / 10 for tenths in range(10, 600)]
    return max(((rate, at_most_evenly(rate / 60, noise, rules)) for rate in rates), key=lambda each: each[1])


def detection(rate: float, failing: float, chance: random.Random, rules: Rules = RULES) -> float:
    """Return the seconds from the beginning of an outage, in which runs fail with this chance, until it opens."""
    circuit = Circuit()
    now = began = rules.window + BUCKET + chance.random() * BUCKET
    day = _Day(rate * (1 - AT_NOISE), circuit, chance, {})
    day.draw(now, rules)
    for at in sorted(
        chance.uniform(0, began) for _ in range(_poisson(rate * AT_NOISE * began / 1000, chance.random()))
    ):
        circuit.failed.appendleft((int(at), ""))
        circuit.count(int(at), 1, 1)
    while circuit.state == "closed":
        now += chance.expovariate(rate / 1000)
        circuit.judge("", "failure" if chance.random() < failing else "ok", int(now), rules)
    return (now - began) / 1000


def detections(rate: float, failing: float, rules: Rules = RULES, trials: int = 200) -> tuple[float, float]:
    """Return the seconds until the circuit opens in an outage: the median and the 90th percentile."""
    chance = random.Random(f"{rate:.6f} {failing} {rules.share}")
    found = [detection(rate, failing, chance, rules) for _ in range(trials)]
    return median(found), quantiles(found, n=10)[-1]


def _chances(mean: float) -> Sequence[float]:
    """Return how likely 0, 1, 2 ... events are, as far as it matters."""
    most = ceil(mean + 12 * sqrt(mean) + 25)
    return [exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(most)]


def _choices(runs: int, noise: float) -> list[float]:
    """Return how likely 0, 1, 2 ... of so many runs fail."""
    return [comb(runs, k) * noise**k * (1 - noise) ** (runs - k) for k in range(min(runs, 60) + 1)]


def _poisson(mean: float, chance: float) -> int:
    """Return a Poisson number from a uniform one; where many are expected, the normal one beside it."""
    if mean > 30:
        return max(0, round(mean + sqrt(mean) * _NORMAL.inv_cdf(chance or 0.5)))
    likely = exp(-mean)
    total, k = likely, 0
    while total < chance and k < 200:
        k += 1
        likely *= mean / k
        total += likely
    return k

"""What the provider remembers between calls: its settings, and what it has seen."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from tests.provider.behaviour import Behaviour, changed

#: How many calls are kept to be looked at.
KEPT = 200

COUNTERS = ("requests", "streams", "completed", "failed", "aborted", "inflight")


@dataclass
class State:
    """Counters are kept for all calls and for each model name, suffix included."""

    defaults: Behaviour = field(default_factory=Behaviour)
    answers: dict[str, str] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    models: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(COUNTERS, 0))
    )
    aborts: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    conversations: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def count(self, model: str, counter: str, by: int = 1) -> int:
        """Count for the model and for all; return the model's figure."""
        self.totals[counter] += by
        figures = self.models[model]
        figures[counter] += by
        return figures[counter]

    def aborted(self, model: str) -> None:
        """Note that a caller hung up before its answer was complete, and when."""
        self.count(model, "aborted")
        self.aborts.append({"model": model, "at": time.time()})

    def stats(self) -> dict[str, Any]:
        """Return the counters, the times of the last aborts and whether the last call carried a key."""
        last = self.calls[-1]["auth"] if self.calls else None
        return {
            **self.totals,
            "models": self.models,
            "aborts": list(self.aborts),
            "last_auth_present": last,
        }

    def last(self, model: str) -> dict[str, Any]:
        """Return the last call of a model (of any, for ""): path, names of headers, body."""
        return next((call for call in reversed(self.calls) if model in ("", call["body"].get("model"))), {})

    def control(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Change defaults. `reset` starts anew first; `answers` adds texts for `named`."""
        if settings.pop("reset", False):
            # Calls under way still count down `inflight` when they end.
            inflight = self.totals["inflight"]
            self.__dict__.update(State().__dict__)
            self.totals["inflight"] = inflight
        self.answers.update(settings.pop("answers", {}))
        self.defaults = changed(self.defaults, settings)
        return {"ok": True}

"""Budgets as bars: what is used, what runs under way have reserved, and how near the limit that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from agents.ledger import Used

#: Percent of a budget from which it wants attention, is nearly used up, and refuses.
MARKS: Final = (80, 90, 100)

Level = Literal["healthy", "attention", "broken"]


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget of a day or a month: `used` includes `reserved`. In tokens, or US dollars where `is_money`."""

    period: Literal["day", "month"]
    is_money: bool
    used: float
    reserved: float
    limit: float | None

    @property
    def name(self) -> str:
        """Which budget it is."""
        return f"{'Money' if self.is_money else 'Tokens'} {'today' if self.period == 'day' else 'this month'}"

    @property
    def percent(self) -> float:
        """Used and reserved of a hundred."""
        if self.limit is None:
            return 0.0
        return round(100 * self.used / self.limit, 1) if self.limit else 100.0

    @property
    def level(self) -> Level:
        """The semantic colour: attention from the first mark, broken where nothing is left."""
        if self.percent >= MARKS[2]:
            return "broken"
        return "attention" if self.percent >= MARKS[0] else "healthy"

    @property
    def word(self) -> str:
        """What the level means."""
        if self.percent >= MARKS[2]:
            return "Used up"
        return next((f"Over {mark} %" for mark in (90, 80) if self.percent >= mark), "")

    @property
    def settled_width(self) -> float:
        """Width of what is really used, of a bar of 100."""
        return self._width(self.used - self.reserved)

    @property
    def reserved_width(self) -> float:
        """Width of what is reserved, beside it."""
        return round(self._width(self.used) - self.settled_width, 2)

    def _width(self, amount: float) -> float:
        if not self.limit:
            return 100.0 if self.limit == 0 else 0.0
        return round(min(100.0, 100 * amount / self.limit), 2)

    @property
    def left(self) -> float | None:
        """What is left, or None where there is no limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def words(self) -> str:
        """The figures for people."""
        if self.limit is None:
            return f"{amount(self.used, self.is_money)}, not limited"
        return f"{amount(self.used, self.is_money)} of {amount(self.limit, self.is_money)}"

    @property
    def reserved_words(self) -> str:
        """What runs under way have reserved of it."""
        return amount(self.reserved, self.is_money)

    @property
    def left_words(self) -> str:
        """What is left, for people."""
        return "no limit" if self.left is None else amount(self.left, self.is_money)


def amount(number: float, is_money: bool) -> str:
    """Return tokens or dollars with their unit; less than a cent in full."""
    if is_money:
        return f"${number:,.2f}" if number >= 0.01 or not number else f"${number:,.4f}"
    return f"{number:,.0f} tokens"


def budgets(shown: Mapping[str, Mapping[str, Any]], booked: Used | None = None) -> list[Budget]:
    """Return the four budgets of a scope, of what `GET /tenant/spending` shows; the ledger says what is reserved."""
    settled = booked and {
        "daily_tokens": booked.day_tokens,
        "monthly_tokens": booked.month_tokens,
        "daily_cost": booked.day_cost / 1_000_000,
        "monthly_cost": booked.month_cost / 1_000_000,
    }
    found = []
    for name, its in shown.items():
        used = max(0, its["used"])
        found.append(
            Budget(
                period="day" if name.startswith("daily") else "month",
                is_money=name.endswith("cost"),
                used=used,
                # What the ledger does not have yet is reserved, or of a run that ended this second.
                reserved=max(0, used - settled[name]) if settled else 0,
                limit=its["limit"],
            )
        )
    return found

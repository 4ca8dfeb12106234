"""What the entries of a run hold of its budget: reserved before they start, settled when they have ended."""

from __future__ import annotations

from collections.abc import Callable

from .budget import Budget
from .entry import Entry
from .outcome import NOTHING, ONE_CALL, Usage
from .signals import Signals
from .steps import Steps


class Funds:
    """Keeps `Entry.reserved` and `Entry.cheapest`, and those that wait until others give back. Without a budget everything is granted."""

    def __init__(self, budget: Budget | None, steps: Steps, signals: Signals, refuse: Callable[[Entry, str], None]) -> None:
        """`refuse` is told of an entry that the budget can never pay for, and of the limit that is in its way."""
        self._budget = budget
        self._steps = steps
        self._signals = signals
        self._refuse = refuse
        self._waiting: list[Entry] = []

    def reserve(self, entry: Entry) -> bool:
        """Whether the budget holds what `entry` may use; if not, it waits for others to give back, or is refused."""
        budget, wanted = self._budget, entry.facts.wanted
        if budget is None or wanted is NOTHING:
            return True
        if entry.cheapest:
            wanted = self._steps.cheapest(entry.node, wanted)
        if budget.reserve(wanted):
            entry.reserved = wanted
            return True
        limit = budget.short_of(wanted)
        if limit is None:
            self._waiting.append(entry)
        elif budget.at_limit == "degrade" and not entry.cheapest and self._steps.cheapest(entry.node, wanted) != wanted:
            self._signals.limit(limit, "degrade")
            entry.cheapest = True
            return self.reserve(entry)
        else:
            self._refuse(entry, limit)
        return False

    def another(self, entry: Entry) -> bool:
        """Whether the budget pays for one more call of an entry that runs, and holds it if so."""
        if self._budget is None or entry.reserved is NOTHING:
            return True
        if not self._budget.reserve(ONE_CALL):
            return False
        entry.reserved += ONE_CALL
        return True

    def settle(self, entry: Entry, used: Usage) -> None:
        """Give back what `entry` holds, and book what it used."""
        if entry.reserved is not NOTHING and self._budget is not None:
            reserved, entry.reserved = entry.reserved, NOTHING
            self._budget.settle(reserved, used)

    def forget(self, entry: Entry) -> None:
        """`entry` wants nothing any more and has used nothing."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        self.settle(entry, NOTHING)

    def recall(self) -> list[Entry]:
        """Those that wait, in the order in which they came; they wait no more, and are to ask again."""
        waiting, self._waiting = self._waiting, []
        return waiting

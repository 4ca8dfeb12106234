"""What one call takes of one resource, by the kind of resource: a slot, a draw on a rate, the way through a door.

A claim only counts: who waits for what, and whose turn it is, is the affair of `Resources`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol


class Claim(Protocol):
    """What one call takes of one resource."""

    @property
    def place(self) -> Hashable:
        """What is being waited for: equal for all claims on the same resource."""
        ...

    def refused(self, now: float) -> float | None:
        """None when it can be had now; else the seconds after which it surely can, infinite when somebody has to give back first."""
        ...

    def take(self, now: float) -> None: ...

    def give(self) -> None: ...


class Slots:
    """At most `total` calls at once. It is its own claim."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0

    @property
    def place(self) -> Hashable:
        return self

    def refused(self, now: float) -> float | None:
        return None if self.used < self.total else math.inf

    def take(self, now: float) -> None:
        self.used += 1

    def give(self) -> None:
        self.used -= 1


class Rate:
    """A token bucket: `per_minute` flow in evenly and at most `burst` are kept. A call that needs more than `burst` waits for a full bucket
    and leaves it in debt, so that even a huge call runs and the average holds."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self._per_s = per_minute / 60
        self._burst = burst
        self._level = burst
        self._at = 0.0

    def wait(self, amount: float, now: float) -> float | None:
        """Seconds until `amount` can be drawn; None when it can be now."""
        self._fill(now)
        short = min(amount, self._burst) - self._level
        return None if short <= 1e-9 else short / self._per_s

    def draw(self, amount: float, now: float) -> None:
        """Also a negative `amount`, for what had been estimated too high."""
        self._fill(now)
        self._level = min(self._level - amount, self._burst)

    def _fill(self, now: float) -> None:
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now


@dataclass(frozen=True, slots=True)
class Draw:
    """One call's share of a rate."""

    rate: Rate
    amount: float = 1.0

    @property
    def place(self) -> Hashable:
        return self.rate

    def refused(self, now: float) -> float | None:
        return self.rate.wait(self.amount, now)

    def take(self, now: float) -> None:
        self.rate.draw(self.amount, now)

    def give(self) -> None:
        """Only time brings it back."""


class Door:
    """Many readers or one writer."""

    def __init__(self) -> None:
        self.readers = 0
        self.writing = False


@dataclass(frozen=True, slots=True)
class Enter:
    """One call's way through a door."""

    door: Door
    write: bool

    @property
    def place(self) -> Hashable:
        return self.door

    def refused(self, now: float) -> float | None:
        return math.inf if self.door.writing or (self.write and self.door.readers) else None

    def take(self, now: float) -> None:
        if self.write:
            self.door.writing = True
        else:
            self.door.readers += 1

    def give(self) -> None:
        if self.write:
            self.door.writing = False
        else:
            self.door.readers -= 1

"""What a run tree may spend: limits on its shape, its tokens and its seconds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Whatever these refuse becomes a visible result inside the run, never an exception."""

    window: int
    """Tokens that one thread's context may hold, prompt included."""
    max_children: int = 64
    """Children of one fork; calls beyond are refused."""
    max_depth: int = 1
    """Generations below the root; 1 lets the root fork and its children not."""
    max_forks: int = 32
    """Forks of one thread, so that a model that forks for ever ends."""
    tree_tokens: int | None = None
    """Tokens that all threads together may sample."""
    seconds: float | None = None
    """Wall-clock seconds for the whole tree, on the event loop's clock."""

    def __post_init__(self) -> None:
        for name in ("window", "max_forks"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        for name in ("max_children", "max_depth"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative, got {getattr(self, name)}")
        for name in ("tree_tokens", "seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise ValueError(f"`{name}` must be positive, got {value}")


class TokenBudget:
    """Reserved before a request starts and settled after it ends, so that parallel starts never exceed the cap.

    Near the cap requests wait for each other: what one has reserved and not used is the next one's.
    """

    def __init__(self, cap: int | None) -> None:
        self.cap = cap
        self._reserved = 0
        self._spent = 0
        self._settled = asyncio.Event()

    @property
    def spent(self) -> int:
        return self._spent

    async def reserve(self, wanted: int) -> int:
        """Tokens granted: `wanted`, or what is left when that is less and nobody else holds any; 0 when nothing is left."""
        while True:
            left = wanted if self.cap is None else self.cap - self._spent - self._reserved
            if left >= wanted or not self._reserved:
                granted = min(wanted, left)
                self._reserved += granted
                return granted
            self._settled.clear()
            await self._settled.wait()

    def settle(self, granted: int, used: int) -> None:
        """Give back a reservation and book what was really sampled under it."""
        assert 0 <= used <= granted <= self._reserved, (used, granted, self._reserved)
        self._reserved -= granted
        self._spent += used
        self._settled.set()

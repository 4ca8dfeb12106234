"""What a run may spend: reserved before a call starts and settled after it, so that parallel starts never exceed a cap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Self

from ..errors import BudgetError
from .outcome import Usage

AtLimit = Literal["partial", "stop", "degrade"]
"""partial: nothing new starts, what runs may finish. stop: what runs is cancelled, too. degrade: model calls that name no model
move to the cheapest tier first. When the seconds are over, what runs is cancelled, whichever it is."""
_NO_CAP = math.inf
_CENT = 1e-9
"""Sums of floats may miss a cap by so much."""


class Budget:
    """Caps on calls, sampled tokens, money and seconds; None is no cap. A budget made by `part` also draws on the one it is part of.

    What is reserved is an upper bound where one is known (a model call's `max_tokens`) and an estimate elsewhere; a call that turns out
    dearer is booked in full, so a cap can be exceeded by such a surplus only. Raises `BudgetError` for a cap that allows nothing.
    """

    def __init__(
        self,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        money: float | None = None,
        seconds: float | None = None,
        at_limit: AtLimit = "partial",
        within: Budget | None = None,
    ) -> None:
        for name, cap in (("calls", calls), ("tokens", tokens), ("money", money), ("seconds", seconds)):
            if cap is not None and not 0 < cap < math.inf:
                raise BudgetError(f"a budget of {cap} {name} allows nothing: give a positive number, or leave it out for no limit")
        self.seconds = seconds
        self.at_limit = at_limit
        self._within = within
        # Numbers, not `Usage` objects: this is on the path of every node.
        self._max_calls = _NO_CAP if calls is None else calls
        self._max_tokens = _NO_CAP if tokens is None else tokens
        self._max_money = _NO_CAP if money is None else money
        self._calls = self._tokens = self._held_calls = self._held_tokens = 0
        self._money = self._held_money = 0.0
        self._watchers: list[Callable[[], None]] = []

    @property
    def spent(self) -> Usage:
        """Calls, sampled tokens and money that have been settled."""
        return Usage(calls=self._calls, tokens=self._tokens, money=self._money)

    @property
    def held(self) -> Usage:
        """What is reserved and not settled."""
        return Usage(calls=self._held_calls, tokens=self._held_tokens, money=self._held_money)

    def part(
        self,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        money: float | None = None,
        seconds: float | None = None,
        at_limit: AtLimit | None = None,
    ) -> Self:
        """A budget inside this one, for a nested run."""
        return type(self)(calls=calls, tokens=tokens, money=money, seconds=seconds, at_limit=at_limit or self.at_limit, within=self)

    def reserve(self, wanted: Usage) -> bool:
        """Hold `wanted` here and in the budgets around, if there is room everywhere."""
        if (
            self._calls + self._held_calls + wanted.calls > self._max_calls
            or self._tokens + self._held_tokens + wanted.tokens > self._max_tokens
            or self._money + self._held_money + wanted.money > self._max_money + _CENT
            or (self._within is not None and not self._within.reserve(wanted))
        ):
            return False
        self._held_calls += wanted.calls
        self._held_tokens += wanted.tokens
        self._held_money += wanted.money
        return True

    def settle(self, reserved: Usage, used: Usage) -> None:
        """Give a reservation back and book what was used. Whoever waits for room looks again."""
        self._held_calls -= reserved.calls
        self._held_tokens -= reserved.tokens
        self._held_money -= reserved.money
        assert self._held_calls >= 0 and self._held_tokens >= 0, "settled more than was reserved"
        self._calls += used.calls
        self._tokens += used.tokens
        self._money += used.money
        if self._within is not None:
            self._within.settle(reserved, used)
        for look in self._watchers:
            look()

    def short_of(self, wanted: Usage) -> str | None:
        """The cap that leaves no room for `wanted` even when all tokens and money that are held are given back unused, in words; None when
        waiting can help. A call that is held will be made."""
        if self._calls + self._held_calls + wanted.calls > self._max_calls:
            return f"{self._max_calls:,} calls"
        if self._tokens + wanted.tokens > self._max_tokens:
            return f"{self._max_tokens:,} tokens"
        if self._money + wanted.money > self._max_money + _CENT:
            return f"{self._max_money:g} of money"
        return None if self._within is None else self._within.short_of(wanted)

    def watch(self, look: Callable[[], None]) -> Callable[[], None]:
        """Calls `look` after every settlement in this budget; returns what ends that. (Those around settle with their parts.)"""
        top: Budget = self
        while top._within is not None:  # a settlement anywhere in the family can make room here
            top = top._within
        top._watchers.append(look)
        return lambda: top._watchers.remove(look)

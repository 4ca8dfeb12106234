"""What nodes compete for: slots, rate limits, and named things that only one may write at a time.

Nothing here waits or polls. A node that does not get all it needs is parked at the resource that refused it, in order of priority; whoever
gives that resource back, or a timer when a rate limit has room again, lets the first in line try again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..errors import ConfigError
from .claims import Claim, Door, Draw, Enter, Rate, Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of a named resource there is."""

    concurrency: int | None = None
    """Calls at once."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    """Beforehand a call draws the tokens that it may sample; afterwards that is corrected to what it sampled and read."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise ConfigError(f"a resource's `{name}` must be positive, got {value}: leave it out for no limit")


class Ticket(Protocol):
    """Somebody who wants all of `claims` at once."""

    claims: tuple[Claim, ...]
    priority: float
    """The higher one goes first; it may change while the ticket waits (`Resources.reorder`)."""

    @property
    def withdrawn(self) -> bool:
        """No longer wants anything."""
        ...

    def granted(self) -> None:
        """Called once, when everything has been taken."""
        ...


class Resources:
    """The resources of one event loop: shared by every run that is given the same object, nested runs included.

    Args:
        slots: calls at once over all nodes; None is no limit.
        limits: by the names that tools and models give in `resource`. A name without a limit here is limited by `slots` only.
    """

    def __init__(self, *, slots: int | None = None, limits: Mapping[str, Limit] | None = None) -> None:
        if slots is not None and slots < 1:
            raise ConfigError(f"`slots` must be at least 1, got {slots}: leave it out for no limit")
        self._slots = (Slots(slots),) if slots is not None else ()
        self._named: dict[str, Slots] = {}
        self._requests: dict[str, Rate] = {}
        self._tokens: dict[str, Rate] = {}
        for name, limit in (limits or {}).items():
            if limit.concurrency is not None:
                self._named[name] = Slots(limit.concurrency)
            if (per_minute := limit.requests_per_minute) is not None:
                self._requests[name] = Rate(per_minute, burst=max(per_minute / 60, 1.0))  # a second's worth at once
            if (per_minute := limit.tokens_per_minute) is not None:
                self._tokens[name] = Rate(per_minute, burst=per_minute / 6)  # ten seconds' worth
        self._doors: dict[str, Door] = {}
        self._lines: dict[Hashable, list[tuple[float, int, Ticket]]] = {}
        self._requested = itertools.count()
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def claims(
        self, resource: str | None, *, tokens: int = 0, reads: frozenset[str] = frozenset(), writes: frozenset[str] = frozenset()
    ) -> tuple[Claim, ...]:
        """What one call needs. `tokens`: those that it will use, as far as is known."""
        if resource is None and not reads and not writes:
            return self._slots
        doors = [Enter(self._door(name), write=True) for name in sorted(writes)]
        doors += [Enter(self._door(name), write=False) for name in sorted(reads - writes)]
        found: list[Claim] = [*doors]
        if resource in self._named:
            found.append(self._named[resource])
        found += self._slots
        # Last, because a timer alone brings these back.
        if resource in self._requests:
            found.append(Draw(self._requests[resource]))
        if resource in self._tokens:
            found.append(Draw(self._tokens[resource], tokens))
        return tuple(found)

    def request(self, ticket: Ticket) -> None:
        """Grant it now, or park it until it can be."""
        if (loop := asyncio.get_running_loop()) is not self._loop:  # an earlier `asyncio.run` is over, and so are its timers
            self._loop = loop
            self._timers.clear()
            self._lines.clear()
        for claim in ticket.claims:
            if self._before(ticket, claim.place):
                return self._park(ticket, next(self._requested), claim.place, math.inf)
        if (refusal := self._take(ticket)) is None:
            ticket.granted()
        else:
            self._park(ticket, next(self._requested), *refusal)

    def release(self, claims: tuple[Claim, ...]) -> None:
        """Give back what a ticket was granted, and let those in line try."""
        for claim in claims:
            claim.give()
        for claim in claims:
            self._serve(claim.place)

    def used_tokens(self, resource: str | None, estimated: int, used: int) -> None:
        """Tell a rate what a call really used; what it had been given too much is there for others."""
        rate = self._tokens.get(resource) if resource is not None else None
        if rate is not None and used != estimated:
            rate.draw(used - estimated, asyncio.get_running_loop().time())
            if (timer := self._timers.pop(rate, None)) is not None:
                timer.cancel()
            self._serve(rate)

    def reorder(self) -> None:
        """Priorities of waiting tickets have changed."""
        for line in self._lines.values():
            line[:] = [(-ticket.priority, number, ticket) for _, number, ticket in line]
            heapq.heapify(line)

    def withdraw(self, claims: tuple[Claim, ...]) -> None:
        """A ticket wants nothing any more: those behind it may."""
        for claim in claims:
            self._serve(claim.place)

    def _door(self, name: str) -> Door:
        return self._doors.setdefault(name, Door())

    def _before(self, ticket: Ticket, place: Hashable) -> bool:
        """Whether somebody waits there whose turn comes first: a stream of readers must not keep a writer waiting for ever."""
        line = self._lines.get(place, [])
        while line and line[0][-1].withdrawn:
            heapq.heappop(line)
        return bool(line) and line[0][-1].priority >= ticket.priority

    def _take(self, ticket: Ticket) -> tuple[Hashable, float] | None:
        """All or nothing; the place that refused and for how many seconds."""
        now = asyncio.get_running_loop().time()
        for claim in ticket.claims:
            if (wait := claim.refused(now)) is not None:
                return claim.place, wait
        for claim in ticket.claims:
            claim.take(now)
        return None

    def _park(self, ticket: Ticket, number: int, place: Hashable, wait: float) -> None:
        """`number` says whose turn is first among equals: that of the one who asked first."""
        heapq.heappush(self._lines.setdefault(place, []), (-ticket.priority, number, ticket))
        self._wake_after(place, wait)

    def _wake_after(self, place: Hashable, wait: float) -> None:
        if wait == math.inf:
            return
        loop = asyncio.get_running_loop()
        if (timer := self._timers.get(place)) is not None:
            if timer.when() <= loop.time() + wait:
                return
            timer.cancel()
        self._timers[place] = loop.call_later(wait, self._timer, place)

    def _timer(self, place: Hashable) -> None:
        del self._timers[place]
        self._serve(place)

    def _serve(self, place: Hashable) -> None:
        """Grant whatever can be, in order, and stop at the first that this place refuses: nobody overtakes a writer for ever."""
        line = self._lines.get(place)
        while line:
            ticket = line[0][-1]
            if ticket.withdrawn:
                heapq.heappop(line)
            elif (refusal := self._take(ticket)) is None:
                heapq.heappop(line)
                ticket.granted()
            elif refusal[0] is place:
                self._wake_after(*refusal)
                return
            else:
                _, number, _ = heapq.heappop(line)
                self._park(ticket, number, *refusal)

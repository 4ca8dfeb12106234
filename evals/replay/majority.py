"""Plain majority votes of the first 1, 2, 3, … traces of a draw, all at once: what every policy must beat at its own price."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from orchestra.sample.pool import Recorded


@dataclass(frozen=True, slots=True)
class Votes:
    """One draw. Entry k - 1 is about the first k traces, launched together, each with one vote; of answers with equally many votes the one
    wins that came first, as in `self_consistency`."""

    right: bytes
    """1 where the majority is right."""
    work: list[int]
    span: list[int]
    seconds: list[int]
    """Decoding steps until the last has ended."""


def vote(traces: Sequence[Recorded], right: frozenset[str], *, slots: int | None = None) -> Votes:
    """Votes of `traces` in the order in which they are launched. `right` are the answers that are; `slots` traces decode at once."""
    busy: list[int] = []
    masses: dict[str, int] = {}
    arrivals: dict[str, tuple[int, int]] = {}
    """When each answer came first: ties of time go to the trace launched before."""
    leader: str | None = None
    verdicts = bytearray()
    votes = Votes(b"", [], [], [])
    work = span = seconds = 0
    for number, trace in enumerate(traces):
        began = heapq.heappop(busy) if slots is not None and len(busy) == slots else 0
        end = began + trace.steps_taken
        if slots is not None:
            heapq.heappush(busy, end)
        if (answer := trace.answer) is not None:
            masses[answer] = masses.get(answer, 0) + 1
            arrivals[answer] = min(arrivals.get(answer, (end, number)), (end, number))
            # Only this answer has gained anything, so it leads now or the leader stays.
            if leader is None or (-masses[answer], arrivals[answer]) < (-masses[leader], arrivals[leader]):
                leader = answer
        work += trace.tokens
        span = max(span, trace.steps_taken)
        seconds = max(seconds, end)
        verdicts.append(leader in right)
        votes.work.append(work)
        votes.span.append(span)
        votes.seconds.append(seconds)
    return Votes(bytes(verdicts), votes.work, votes.span, votes.seconds)

"""The same events give the same decisions: a log of one run is decided again by a fresh decider, and a log becomes a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .decisions import Decision
from .outcome import Turn
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event after which a fresh decider decides otherwise than the log says."""

    turn: int
    logged: Sequence[Decision]
    decided: Sequence[Decision]


def decide_again(policy: Policy, turns: Sequence[Turn]) -> Difference | None:
    """None when a fresh decider of `policy` makes the decisions of the log, event by event."""
    decider = policy.decider()
    for number, turn in enumerate(turns):
        decided = tuple(decider.on(turn.event))
        if decided != tuple(turn.decisions):
            return Difference(number, tuple(turn.decisions), decided)
    return None

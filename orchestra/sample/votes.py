"""Votes as they come in, and which trace speaks for each answer: what policies that vote keep beside their `Board`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .decisions import Stop
from .events import Finished
from .policy import Standing
from .tally import Tally


class Votes:
    """A tally that knows who spoke for an answer with the most weight, the first of equals. Traces without an answer do not vote."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._speakers: dict[str, tuple[float, int]] = {}
        """Weight and trace."""

    @classmethod
    def of(cls, traces: Iterable[Finished], weights: Sequence[float] | None = None) -> Votes:
        """Votes of traces, in their order. `weights`, one number of at least 0 for each, are scaled to a mean of one, so that masses are votes;
        when all are 0, every vote counts 1."""
        traces = list(traces)
        total = math.fsum(weights) if weights else 0.0
        votes = cls()
        for number, trace in enumerate(traces):
            votes.add(trace.trace, trace.answer, weights[number] * len(traces) / total if weights and total else 1.0)
        return votes

    def add(self, trace: int, answer: str | None, weight: float = 1.0) -> None:
        if answer is not None:
            self.tally.add(answer, weight)
            if answer not in self._speakers or weight > self._speakers[answer][0]:
                self._speakers[answer] = weight, trace

    def __bool__(self) -> bool:
        """Whether anybody has voted."""
        return bool(self._speakers)

    def standing(self) -> Standing:
        leader = self.tally.leader
        if leader is None:
            return Standing(answer=None)
        return Standing(answer=leader, trace=self._speakers[leader][1], posterior=self.tally.posterior)

    def stop(self, why: str) -> Stop:
        """With the leading answer."""
        standing = self.standing()
        if standing.answer is None:
            why = f"{why}; no trace gave an answer that can be read"
        return Stop(standing.answer, why, standing.trace)

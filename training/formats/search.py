"""What is demonstrated: a forked symbolic search of one problem, free of any format, and what became of each child."""

from __future__ import annotations

import random
from dataclasses import dataclass

from orchestra.countdown import search
from orchestra.countdown.problem import Problem
from orchestra.countdown.rules import Operation
from orchestra.thread import Join

from .demo import Fate


@dataclass(frozen=True, slots=True)
class Search:
    """The moves that a parent has explored, and what each child writes of it."""

    problem: Problem
    beam: int
    child_beam: int
    operations: tuple[Operation, ...]
    traces: tuple[search.Trace, ...]


def searched(problem: Problem, *, beam: int, child_beam: int) -> Search:
    operations = search.calls(problem, beam=beam)
    traces = [search.child(problem, operation, beam=child_beam) for operation in operations]
    return Search(problem, beam, child_beam, tuple(operations), tuple(traces))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it had written by then."""

    fate: Fate
    token_ids: tuple[int, ...]
    """All of its trace, a beginning of it when cut, nothing otherwise: what a cancelled child writes shows in no context."""
    path: tuple[Operation, ...] | None
    """What it found, if it finished."""


def fates(found: Search, *, join: Join, rng: random.Random, spoil: float = 0.15) -> list[Ended]:
    """What became of each child. In a share `spoil` of runs some children are cut and the last ones refused, so that no marker is new to
    the model when limits bite live."""
    traces = found.traces
    kept = len(traces)
    lengths = [len(trace.token_ids) for trace in traces]
    if rng.random() < spoil:
        kept = rng.randint(1, kept)
        lengths = [rng.randint(1, length - 1) if rng.random() < 0.2 else length for length in lengths]
    # Live children decode at about equal speed, so the shortest success comes first; the jitter stands for queues and late starts.
    times = [length * rng.uniform(0.85, 1.15) for length in lengths]
    whole = [i < kept and lengths[i] == len(trace.token_ids) for i, trace in enumerate(traces)]
    successes = [at for at, done, trace in zip(times, whole, traces, strict=True) if done and trace.path]
    last = min(successes) if successes and join == "first" else max(times)
    ended: list[Ended] = []
    for i, trace in enumerate(traces):
        if i >= kept:
            ended.append(Ended("refused", (), None))
        elif times[i] > last:
            ended.append(Ended("cancelled", (), None))
        elif whole[i]:
            ended.append(Ended("finished", trace.token_ids, trace.path))
        else:
            ended.append(Ended("cut", trace.token_ids[: lengths[i]], None))
    return ended

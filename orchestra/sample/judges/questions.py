"""Questions with known answers about recorded traces: what judges are trained on and tested with.

Problems are split by a hash of their ids, so that no problem is on both sides, whatever else a pool holds. Two kinds of trace are left out:
those without an answer, when two are compared, since they never vote; and those that have ended within the prefix, since their answer could
be read off.
"""

from __future__ import annotations

import hashlib
from itertools import combinations

from ..events import Group
from ..pool import PooledProblem
from .reading import Asked, length_in

_BUCKETS = 1_000


def is_held_out(problem: PooledProblem, share: float, fold: int = 0) -> bool:
    """Whether a problem is kept from training, when that share of all problems is to be.

    Folds 0, 1, … with one share hold out different problems, so that 1 / `share` judges together are tested on all.
    """
    bucket = int.from_bytes(hashlib.sha256(problem.id.encode()).digest()[:4]) % _BUCKETS
    return share * fold * _BUCKETS <= bucket < share * (fold + 1) * _BUCKETS


def askable(problem: PooledProblem, question: Asked, length: float) -> list[Group]:
    """All groups of traces about which the question is an honest one when so many tokens of each are shown; below 1 a share of each."""
    running = [place for place, trace in enumerate(problem.traces) if length_in(trace, length) < trace.tokens]
    if question == "correct":
        return [(place,) for place in running]
    return list(combinations([place for place in running if problem.traces[place].answer is not None], 2))


def label_of(problem: PooledProblem, group: Group) -> bool:
    """The truth: the one trace is right, or the two answers are one."""
    if len(group) == 1:
        return problem.traces[group[0]].correct
    return len({problem.traces[place].answer for place in group}) == 1

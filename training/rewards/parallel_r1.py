"""Parallel-R1's own terms (arXiv 2509.07980), with its counts of tags replaced by executed forks."""

from __future__ import annotations

from ..rollout import Facts
from .outcome import format_errors_of
from .reward import Read, Setting, term


@term
def parallel_correct(*, right: float = 1.0, wrong: float = -1.0) -> Read:
    """`right` if the answer is correct and at least one fork was executed, else `wrong`.

    Its stage of reinforcement on GSM8K (the variant "Seen"): +1 if and only if both hold, else -1.
    """
    return lambda facts, _: right if facts.correct and facts.forks else wrong


@term
def parallel_bonus(*, parallel: float = 1.2, serial: float = 1.0, wrong: float = -1.0) -> Read:
    """`parallel` if correct, forked and well formed; `serial` if correct without a fork; otherwise `wrong`, also if correct but malformed.

    The late steps of its alternating reward (`verl/verl/utils/reward_score/math_dapo_acc_parallel_interved.py`). A malformed call that
    forks nothing is an attempt, as its opening tag is there.
    """

    def read(facts: Facts, _: Setting) -> float:
        if not facts.correct or format_errors_of(facts):
            return wrong
        return parallel if facts.forks else serial

    return read

"""Rollouts of weavers: what rewards read of a run tree whose threads saw their parent's outlines."""

from __future__ import annotations

from orchestra.countdown import notation
from orchestra.countdown.attempt import read_attempt
from orchestra.countdown.problem import Problem
from orchestra.thread import RunTree, Thread
from orchestra.thread.tree import Segment

from ..rollout import Rollout, rollout_of
from .convert import WEAVER
from .expected import called


def woven_rollout(problem: Problem, tree: RunTree, *, group: str) -> Rollout:
    """The rollout of one try at `problem` with `WEAVER`. Raises `ConfigError` where the engine recorded no log-probabilities."""
    attempted = read_attempt(problem, tree)
    return rollout_of(
        tree,
        problem=problem.key,
        group=group,
        answer=attempted.answer,
        flaw=attempted.flaw,
        malformed=malformed_parts(problem, tree),
        explored=attempted.explored,
    )


def malformed_parts(problem: Problem, tree: RunTree) -> int:
    """Malformed blocks, outlines that are no legal move on the problem's numbers, and threads that end by themselves without `<goal>` or
    `<none>` or with an end that is not theirs."""
    count = 0
    for thread in tree.threads:
        count += _malformed_blocks(problem, thread)
        if thread.status == "finished":
            words = thread.last_words
            own = notation.END if thread.depth == 0 else notation.THREAD_END
            count += not (words and words[-1] == own and {notation.GOAL, notation.NONE} & set(words))
    return count


def _malformed_blocks(problem: Problem, thread: Thread) -> int:
    count = 0
    block: tuple[int, ...] = ()
    for item in thread.items:
        if isinstance(item, Segment):
            block = tuple(item.token_ids)
        else:
            outlines = WEAVER.outlines(block)
            count += 1 if outlines is None else sum(called(problem, words) is None for words in outlines)
    return count

"""Countdown by a model that speaks its token language: one search, or a search that forks.

The claim is verified by the game's own rules; what is graded is the arithmetic expression that it comes to.
"""

from __future__ import annotations

from dataclasses import replace

from orchestra.countdown import notation
from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.picture import to_record
from orchestra.countdown.problem import Problem as Game
from orchestra.engine import Engine

from ..method import Attempted, Kept
from ..problem import Problem
from .boxes import boxed
from .costs import costs_of_tree
from .seeds import epoch_seed


def game_of(problem: Problem) -> Game:
    """Raises `ProblemError` for numbers that the token language does not have."""
    return Game(tuple(problem.data["numbers"]), problem.data["target"])


class Searching:
    """`orchestra.countdown.attempt` as a method. Entering and leaving the engine is the caller's."""

    def __init__(self, engine: Engine, setup: Setup) -> None:
        self._engine = engine
        self._setup = setup

    @property
    def label(self) -> str:
        return self._setup.label

    async def attempt(self, problem: Problem, *, epoch: int) -> Attempted:
        setup = replace(self._setup, seed=epoch_seed(self._setup.seed, epoch))
        done = await attempt(self._engine, game_of(problem), setup, session=f"{problem.id}-{epoch}")
        return attempted_of(done)


def attempted_of(done: Attempt) -> Attempted:
    tree = done.tree
    return Attempted(
        text=boxed(done.answer) if done.answer is not None else None,
        status=tree.speaker.status,
        costs=costs_of_tree(tree, done.ledger, explored=done.explored),
        error=done.error,
        flaw=done.flaw,
        timed_out=tree.timed_out,
        keep=lambda: Kept(text=notation.text(tree.speaker.last_words), tree=to_record(done)),
    )

"""Refinement in rounds: one chain, or several traces a round that see what the round before them wrote.

    SequentialRefinement    one growing chain and an inverse-entropy vote      The Sequential Edge, arXiv 2511.02309
    Seat                    N traces a round until their answers agree         SEAT, arXiv 2507.06829

Rounds that are distilled before the next one sees them (PDR, RSA) are in `distilled`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Decision, Fresh, Launch, Revise, Start
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..votes import Votes
from ..weights import Weight

REFINE = "refine"
INVERSE_ENTROPY = Weight("entropy")


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialRefinement:
    """One attempt after the other, each shown those before it; in the end all vote with the inverse of their mean entropy (The
    Sequential Edge, Sharma & Chopra 2025, arXiv 2511.02309).

    Where we differ: the paper continues one conversation, while here each step is a new prompt with the earlier attempts in it, which
    costs the same reading; with `shown=1` it is PDR's sequential refinement (arXiv 2510.01123). Entropies are those of the top
    candidates. The paper's advantage over parallel samples is largely that 4,096 tokens a step cut reasoning short: compare at matched
    tokens and span.

    Fall-backs: a lost step uses up its turn and the next one goes on from what there is; a step without an answer is shown, but does
    not vote; without scores every vote counts the same.
    """

    steps: int = 6
    shown: int | None = None
    """The latest attempts that a step sees; None for all."""
    weight: Weight = INVERSE_ENTROPY

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"`steps` must be at least 1, got {self.steps}")
        if self.shown is not None and self.shown < 1:
            raise ValueError(f"`shown` must be at least 1, got {self.shown}")

    @property
    def most(self) -> int:
        return self.steps

    @property
    def needs(self) -> Needs:
        return self.weight.needs | Needs(purposes=frozenset({REFINE} if self.steps > 1 else ()))

    def decider(self) -> SequentialDecider:
        return SequentialDecider(self)


@dataclass
class SequentialDecider:
    policy: SequentialRefinement
    board: Board = field(default_factory=Board)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        if not isinstance(event, Begun | Finished | Failed):
            return []
        if self.board.launched == self.policy.steps:
            voters = self._voters
            unweighed = ", not weighed for lack of scores" if voters and not any(self.policy.weight.of(voters)) else ""
            return [self._vote().stop(f"{self.board.ended} steps{unweighed}")]
        before = self.board.finished[-self.policy.shown :] if self.policy.shown else self.board.finished
        return [self.board.launch(Launch(start=after(before)))]

    def standing(self) -> Standing:
        return self._vote().standing()

    def _vote(self) -> Votes:
        voters = self._voters
        return Votes.of(voters, self.policy.weight.of(voters))

    @property
    def _voters(self) -> list[Finished]:
        return [step for step in self.board.finished if step.answer is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """`n` traces a round, of which each sees what the round before it wrote, until the answers of a round agree (SEAT: Adaptive
    Termination for Multi-round Parallel Reasoning, Xu et al. 2025, arXiv 2507.06829).

    Both rules of the paper are here, the statistical and the threshold-free one. A round's semantic entropy is that of its answers
    (`Tally.entropy`, bits). With `threshold`, the first round below it is the last. Without, the secretary rule: `observe` rounds are
    only looked at, and the first later one whose entropy is below the lowest seen so far is the last. The answer is the majority of the
    last round.

    Where we differ: canonical answers are the clusters, not entailment; a round whose entropy is 0 stops under either rule, because
    none can be lower; and a round has an entropy only when more than half of its traces state an answer, since what is silent neither
    agrees nor disagrees.

    Fall-backs: lost traces are not shown; a round that is lost as a whole is tried again from the round before, as its turn; when the
    last round states no answer, the latest one that does is the one that votes. With `n` = 1 the first answer has entropy 0 and is
    taken.
    """

    n: int = 8
    rounds: int = 4
    threshold: float | None = None
    observe: int | None = None
    """Rounds that the secretary rule only looks at; None for `rounds` / e, rounded down, but one at least."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.rounds < 1:
            raise ValueError(f"`n` and `rounds` must be at least 1, got {self.n} and {self.rounds}")
        if self.threshold is not None and not 0 < self.threshold < math.inf:
            raise ValueError(f"`threshold` must be a positive number of bits, got {self.threshold}")
        if self.observe is not None and self.threshold is not None:
            raise ValueError("`observe` belongs to the rule without a threshold: give one of both")
        if self.observe is not None and not 1 <= self.observe <= self.rounds:
            raise ValueError(f"`observe` must lie in 1 … {self.rounds}, got {self.observe}")

    @property
    def most(self) -> int:
        return self.n * self.rounds

    @property
    def needs(self) -> Needs:
        return Needs(purposes=frozenset({REFINE} if self.rounds > 1 else ()))

    @property
    def observed(self) -> int:
        return self.observe or max(1, int(self.rounds / math.e))

    def decider(self) -> SeatDecider:
        return SeatDecider(self)


@dataclass
class SeatDecider:
    policy: Seat
    board: Board = field(default_factory=Board)
    rounds: int = 0
    """Launched so far."""
    current: list[Finished] = field(default_factory=list)
    """What the round under way has brought."""
    latest: list[Finished] = field(default_factory=list)
    """The latest round of which anything came."""
    voted: Votes = field(default_factory=Votes)
    """Of the latest complete round with votes."""
    entropies: list[float] = field(default_factory=list)
    """Of the rounds of which most traces stated an answer, in bits."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        if isinstance(event, Finished):
            self.current.append(event)
        if not isinstance(event, Begun | Finished | Failed) or self.board.running:
            return []
        if isinstance(event, Begun):
            return [self._next()]
        why = self._close()
        if why is None and self.rounds == self.policy.rounds:
            why = f"round {self.rounds} is the last"
        return [self._next() if why is None else self.voted.stop(why)]

    def standing(self) -> Standing:
        now = Votes.of(self.current)
        return (now if now else self.voted).standing()

    def _next(self) -> Launch:
        self.rounds += 1
        self.current = []
        return self.board.launch(Launch(self.policy.n, start=after(self.latest)))

    def _close(self) -> str | None:
        """Take the vote of the round that has ended. Why the run ends with it, if it does."""
        votes = Votes.of(self.current)
        self.latest = self.current or self.latest
        if votes:
            self.voted = votes
        if 2 * votes.tally.total <= self.policy.n:
            return None
        entropy, before = votes.tally.entropy, self.entropies
        self.entropies = [*before, entropy]
        if self.policy.threshold is not None:
            if entropy < self.policy.threshold:
                return f"entropy {entropy:.3f} bits in round {self.rounds} is below {self.policy.threshold:g}"
        elif not entropy:
            return f"all agree in round {self.rounds}"
        elif len(before) >= self.policy.observed and entropy < min(before):
            return f"entropy {entropy:.3f} bits in round {self.rounds} is the lowest so far"
        return None


def after(traces: Iterable[Finished]) -> Start:
    """A start that is shown these traces, in the order of their launches, or a fresh one when there are none."""
    shown = tuple(sorted(trace.trace for trace in traces))
    return Revise(shown, REFINE) if shown else Fresh()

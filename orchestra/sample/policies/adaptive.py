"""The family behind most sampling methods: launch in stages, vote as traces end, stop when enough is known, abort the rest.

    self_consistency(n)           all end, then a vote                                    Wang et al. 2022, arXiv 2203.11171
    first_finish(n)               the first to end answers                                First Finish Search, arXiv 2505.18149
    short_m(n, m)                 the first m to end vote                                 short-m@k, arXiv 2505.17813; FFS-k@N, arXiv 2512.02008
    asc_events(n)                 stops when the leader is safe, asked after every end    Adaptive-Consistency's rule (arXiv 2305.11860) on
                                                                                          completions of parallel traces
    staged(...)                   a few first, more only if they disagree                 as above, in stages

All of them are corners of `Adaptive` and compose: stages, the cap on finishers, the posterior, the weights and the price act together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..account import Price
from ..board import Board
from ..decisions import Decision, Launch, Stop
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..tally import Tally
from ..votes import Votes
from ..weights import UNIFORM, Weight


@dataclass(frozen=True, slots=True)
class Stage:
    """`launch` more traces, and decide when `finish` of all the stage's and earlier stages' votes are in."""

    launch: int
    finish: int | None = None
    """Votes after which the next stage begins, or the vote is taken after the last; None waits for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """Launch, listen to every trace that ends, and stop as soon as one of these holds:

    * the posterior that the leader stays ahead reaches `threshold`, with at least `min_votes` votes in;
    * the leader cannot be overtaken by all that may still come (`overtake`, uniform weights only);
    * `price` is set, and one more vote is expected to cost more than it improves the answer;
    * the last stage has its votes, or nothing runs any more.

    Traces without an answer, and those that `length_guard` finds degenerate, do not vote.
    """

    stages: tuple[Stage, ...]
    threshold: float | None = None
    min_votes: int = 2
    weight: Weight = UNIFORM
    overtake: bool = False
    length_guard: int = 0
    """Traces shorter than this do not vote: a mode that answers without thinking wins every race (`docs/sampling.md`)."""
    price: Price | None = None

    def __post_init__(self) -> None:
        if not self.stages or any(stage.launch < 1 for stage in self.stages):
            raise ValueError(f"every stage launches at least one trace, got {self.stages}")
        for number, (stage, most) in enumerate(zip(self.stages, self._launched_by_stage, strict=True), start=1):
            if stage.finish is not None and not 1 <= stage.finish <= most:
                raise ValueError(f"stage {number} waits for {stage.finish} votes, but only {most} traces are launched by then")
        if self.threshold is not None and not 0.5 < self.threshold <= 1:
            raise ValueError(f"`threshold` must lie in (0.5, 1], got {self.threshold}")
        if self.min_votes < 1:
            raise ValueError(f"`min_votes` must be at least 1, got {self.min_votes}")
        if self.overtake and self.weight != UNIFORM:
            raise ValueError("`overtake` counts votes: use it with uniform weights")

    @property
    def _launched_by_stage(self) -> list[int]:
        launched = 0
        return [launched := launched + stage.launch for stage in self.stages]

    @property
    def most(self) -> int:
        return sum(stage.launch for stage in self.stages)

    @property
    def needs(self) -> Needs:
        return self.weight.needs

    def decider(self) -> AdaptiveDecider:
        return AdaptiveDecider(self)


@dataclass
class AdaptiveDecider:
    policy: Adaptive
    board: Board = field(default_factory=Board)
    stage: int = 0
    votes: list[Finished] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self._launch()]
            case Finished():
                self._count(event)
            case Failed():
                pass
            case _:
                return []
        if why := self._enough():
            return [self._stop(why)]
        wanted = self.policy.stages[self.stage].finish
        if self.board.running and (wanted is None or len(self.votes) < wanted):
            return []
        if self.stage + 1 == len(self.policy.stages):
            return [self._stop("1 vote is in" if len(self.votes) == 1 else f"{len(self.votes)} votes are in")]
        return [self._launch_next()]

    def standing(self) -> Standing:
        leader = self.tally.leader
        return Standing(
            answer=leader,
            trace=self._speaker(leader),
            posterior=self.tally.posterior if self.votes else None,
            gain=self._gain() if self.votes else None,
        )

    def _launch(self) -> Launch:
        return self.board.launch(Launch(self.policy.stages[self.stage].launch))

    def _launch_next(self) -> Launch:
        self.stage += 1
        return self._launch()

    def _count(self, event: Finished) -> None:
        if event.answer is None or event.tokens < self.policy.length_guard:
            return
        self.votes.append(event)
        if self.policy.weight == UNIFORM:
            self.tally.add(event.answer)
            return
        # Weights count in votes: scaled to a mean of one, which every newcomer moves.
        self.tally = Votes.of(self.votes, self.policy.weight.of(self.votes)).tally

    def _enough(self) -> str | None:
        policy, tally = self.policy, self.tally
        if len(self.votes) < policy.min_votes:
            return None
        if policy.threshold is not None and tally.posterior >= policy.threshold:
            return f"posterior {tally.posterior:.3f} after {len(self.votes)} votes"
        if policy.overtake:
            to_come = len(self.board.running) + sum(stage.launch for stage in policy.stages[self.stage + 1 :])
            first, second = tally.top_two
            if first - second > to_come:
                return f"{first:g} votes cannot be overtaken"
        if policy.price is not None and self._gain() < self._next_cost(policy.price):
            return "one more vote costs more than it is worth"
        return None

    def _gain(self) -> float:
        """What one more vote is expected to add to the probability of the right answer: the chance that it closes the gap by one times
        the doubt that is left. An upper bound, as the second need not be right."""
        first, second = self.tally.top_two
        doubt = 1 - self.tally.posterior
        return doubt / max(1.0, first - second)

    def _next_cost(self, price: Price) -> float:
        """Of waiting for the next trace to end: the mean distance between ends so far, for all that run."""
        ended = max(1, self.board.ended)
        seconds = self.board.now / ended
        tokens_each = sum(vote.tokens for vote in self.votes) / len(self.votes)
        steps = tokens_each / ended
        return price.of(tokens=steps * max(1, len(self.board.running)), seconds=seconds)

    def _stop(self, why: str) -> Stop:
        leader = self.tally.leader
        return Stop(leader, why, self._speaker(leader))

    def _speaker(self, answer: str | None) -> int | None:
        return next((vote.trace for vote in self.votes if vote.answer == answer), None)


def adaptive(
    n: int,
    *,
    m: int | None = None,
    threshold: float = 0.95,
    weight: Weight = UNIFORM,
    min_votes: int = 2,
    overtake: bool = False,
    length_guard: int = 0,
    token_price: float = 0.0,
    second_price: float = 0.0,
) -> Adaptive:
    """All `n` at once; stop at `m` votes, or when the posterior reaches `threshold`, or when waiting is not worth its price (ours).

    `self_consistency`, `first_finish`, `short_m` and `asc_events` are corners of it.

    `token_price` is of a thousand tokens and `second_price` of a second, in units of the worth of a right answer.
    """
    price = Price(kilotoken=token_price, second=second_price) if token_price or second_price else None
    return Adaptive(
        stages=(Stage(n, m),),
        threshold=threshold,
        min_votes=min_votes,
        weight=weight,
        overtake=overtake,
        length_guard=length_guard,
        price=price,
    )


def self_consistency(n: int, *, weight: Weight = UNIFORM) -> Adaptive:
    """`n` traces, one (weighted) vote each; ties go to the answer that came first (Self-Consistency, Wang et al. 2022, arXiv
    2203.11171)."""
    return Adaptive(stages=(Stage(n),), weight=weight)


def first_finish(n: int, *, length_guard: int = 0) -> Adaptive:
    """The first of `n` traces to end with an answer (First Finish Search, Agarwal et al. 2025, arXiv 2505.18149). One short mode wins
    every race: see `length_guard`."""
    return short_m(n, 1, length_guard=length_guard)


def short_m(n: int, m: int, *, threshold: float | None = None, weight: Weight = UNIFORM, length_guard: int = 0) -> Adaptive:
    """The first `m` of `n` traces to end vote, or fewer when `threshold` stops before (short-m@k, Hassid et al. 2025, arXiv 2505.17813;
    FFS-k@N, arXiv 2512.02008)."""
    return Adaptive(stages=(Stage(n, m),), threshold=threshold, weight=weight, length_guard=length_guard)


def asc_events(n: int, *, threshold: float = 0.95) -> Adaptive:
    """All `n` at once; after every end, stop if the posterior of the leader reaches `threshold`, and abort the rest (ours: the Beta
    rule of Adaptive-Consistency, arXiv 2305.11860, on completions of parallel traces)."""
    return Adaptive(stages=(Stage(n),), threshold=threshold)


def staged(
    *stages: tuple[int, int | None], threshold: float = 0.95, weight: Weight = UNIFORM, min_votes: int = 2, length_guard: int = 0
) -> Adaptive:
    """A few traces first and more only if they disagree, under the rule of `asc_events` (ours).

    `staged((5, None), (11, 7))`: five first; then eleven more until seven votes are in.
    """
    return Adaptive(
        stages=tuple(Stage(*stage) for stage in stages),
        threshold=threshold,
        weight=weight,
        min_votes=min_votes,
        length_guard=length_guard,
    )

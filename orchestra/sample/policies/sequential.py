"""Policies that launch a trace only once earlier ones have ended: cheapest in tokens, slowest in time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Decision, Launch, Stop
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveConsistency:
    """One trace after the other until the leader is safe (Adaptive-Consistency, Aggarwal et al. 2023, arXiv 2305.11860, section 3, Beta
    criterion).

    After every end, stop when P(p1 > p2) of the two leading answers reaches `threshold`, at the latest after `n` traces; then the
    majority. With `slots` above 1 so many traces run at once and each that ends is replaced, which the paper does not do; those that
    still run at the stop are aborted. A trace without an answer and a lost one count as launched, but do not vote. `asc_events` is the
    same rule on traces that were all launched at once.
    """

    n: int = 40
    threshold: float = 0.95
    slots: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= self.n:
            raise ValueError(f"`slots` must lie between 1 and `n`, got {self.slots} with n={self.n}")
        if not 0.5 < self.threshold <= 1:
            raise ValueError(f"`threshold` must lie in (0.5, 1], got {self.threshold}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs()

    def decider(self) -> AdaptiveConsistencyDecider:
        return AdaptiveConsistencyDecider(self)


@dataclass
class AdaptiveConsistencyDecider:
    policy: AdaptiveConsistency
    board: Board = field(default_factory=Board)
    votes: Votes = field(default_factory=Votes)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.slots))]
            case Finished():
                self.votes.add(event.trace, event.answer)
            case Failed():
                pass
            case _:
                return []
        posterior = self.votes.tally.posterior
        if posterior >= self.policy.threshold:
            return [self.votes.stop(f"posterior {posterior:.3f} after {self.board.ended} traces")]
        if self.board.launched < self.policy.n:
            return [self.board.launch(Launch())]
        return [] if self.board.running else [self.votes.stop(f"all {self.policy.n} traces have ended")]

    def standing(self) -> Standing:
        return self.votes.standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Windows of `window` traces until one is unanimous (Early-Stopping Self-Consistency, Li et al. 2024, arXiv 2401.10480, section 3).

    A window's traces run side by side, and the next window begins when all have ended. The answer of a unanimous window is the answer;
    after `n` traces it is the majority of all. A window with a trace that was lost or has no answer is not unanimous, which the paper
    leaves open: fewer votes would make agreement easier, not surer. The last window is smaller where `window` does not divide `n`.
    """

    n: int = 40
    window: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.window <= self.n:
            raise ValueError(f"`window` must lie between 1 and `n`, got {self.window} with n={self.n}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs()

    def decider(self) -> EarlyStoppingDecider:
        return EarlyStoppingDecider(self)


@dataclass
class EarlyStoppingDecider:
    policy: EarlyStopping
    board: Board = field(default_factory=Board)
    votes: Votes = field(default_factory=Votes)
    window: list[Finished | Failed] = field(default_factory=list)
    """This window's traces, in the order in which they ended."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self._launch()]
            case Finished() | Failed():
                self.window.append(event)
                if isinstance(event, Finished):
                    self.votes.add(event.trace, event.answer)
            case _:
                return []
        if self.board.running:
            return []
        answers = {trace.answer if isinstance(trace, Finished) else None for trace in self.window}
        if len(answers) == 1 and None not in answers:
            why = f"a window of {len(self.window)} is unanimous after {self.board.launched} traces"
            return [Stop(answers.pop(), why, self.window[0].trace)]
        if self.board.launched == self.policy.n:
            return [self.votes.stop(f"no unanimous window in {self.policy.n} traces")]
        self.window.clear()
        return [self._launch()]

    def standing(self) -> Standing:
        return self.votes.standing()

    def _launch(self) -> Launch:
        return self.board.launch(Launch(min(self.policy.window, self.policy.n - self.board.launched)))

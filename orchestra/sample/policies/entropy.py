"""Policies led by the semantic entropy of answers: how many bits it takes to say which of the equal-answer clusters a trace falls
into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Decision, Launch, Stop
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticEntropy:
    """A majority vote of `n` that abstains when the answers scatter (semantic entropy, Farquhar et al., Nature 2024).

    Answers None when the entropy of the `n` answers is above `max_bits`, and says so. We differ in the clusters, which are equal
    canonical answers in place of mutual entailment, and in p(c), which is a share of traces (the paper's "discrete" variant) in place
    of sequence probabilities: for answers that can be compared exactly this is free and never wrong. Traces without an answer are left
    out of the entropy.
    """

    n: int = 10
    max_bits: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"`n` must be at least 1, got {self.n}")
        if not self.max_bits >= 0:
            raise ValueError(f"`max_bits` must be at least 0, got {self.max_bits}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs()

    def decider(self) -> SemanticEntropyDecider:
        return SemanticEntropyDecider(self)


@dataclass
class SemanticEntropyDecider:
    policy: SemanticEntropy
    board: Board = field(default_factory=Board)
    votes: Votes = field(default_factory=Votes)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Finished():
                self.votes.add(event.trace, event.answer)
            case Failed():
                pass
            case _:
                return []
        if self.board.running:
            return []
        bits = self.votes.tally.entropy
        if bits > self.policy.max_bits:
            return [Stop(None, f"abstains: the answers scatter over {bits:.2f} bits, more than {self.policy.max_bits:g}")]
        return [self.votes.stop(f"{bits:.2f} bits in {len(self.board.finished)} traces")]

    def standing(self) -> Standing:
        """Without an answer while the answers scatter."""
        if self.votes.tally.entropy > self.policy.max_bits:
            return Standing(answer=None, posterior=self.votes.tally.posterior)
        return self.votes.standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seer:
    """Quick answers first; their entropy decides how many slow traces follow (SeerSC, arXiv 2511.09345).

    `quick` traces of the arm `arm` end; with an entropy of at most `low` bits 1 slow trace follows, of at most `high` bits n // 2, else
    `n`; the slow ones vote. When no quick trace gives an answer, all `n` follow; when no slow one does, the quick ones vote.

    The paper's quick answers come from a mode without thinking: name a source of such as `arm`. With the main one, "", quick traces are
    ordinary ones, so that they vote and count among the `n`; this is staging by entropy in place of `staged`'s posterior.
    """

    n: int = 16
    quick: int = 4
    arm: str = ""
    low: float = 0.6
    high: float = 2.0

    def __post_init__(self) -> None:
        if self.n < 1 or self.quick < 1:
            raise ValueError(f"`n` and `quick` must be at least 1, got {self.n} and {self.quick}")
        if not self.arm and self.quick > self.n:
            raise ValueError(f"quick traces of the main arm count among the {self.n}, got quick={self.quick}")
        if not 0 <= self.low <= self.high:
            raise ValueError(f"0 <= `low` <= `high` must hold, got {self.low} and {self.high}")

    @property
    def most(self) -> int:
        return self.quick + self.n if self.arm else self.n

    @property
    def needs(self) -> Needs:
        return Needs(arms=frozenset({self.arm} if self.arm else ()))

    def budget(self, bits: float) -> int:
        """Slow traces for quick answers of this entropy."""
        if bits <= self.low:
            return 1
        return max(1, self.n // 2) if bits <= self.high else self.n

    def decider(self) -> SeerDecider:
        return SeerDecider(self)


@dataclass
class SeerDecider:
    policy: Seer
    board: Board = field(default_factory=Board)
    quick: Votes = field(default_factory=Votes)
    slow: Votes = field(default_factory=Votes)
    why: str = ""
    """What the quick answers led to; empty while they run."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.quick, self.policy.arm))]
            case Finished():
                is_quick = event.trace < self.policy.quick
                if is_quick:
                    self.quick.add(event.trace, event.answer)
                if not (is_quick and self.policy.arm):
                    self.slow.add(event.trace, event.answer)
            case Failed():
                pass
            case _:
                return []
        if self.board.running:
            return []
        if not self.why and (more := self._more()):
            return [self.board.launch(Launch(more))]
        if not self.slow and self.quick:
            return [self.quick.stop(f"{self.why}; no slow trace gave an answer, so the quick ones vote")]
        return [self.slow.stop(self.why)]

    def standing(self) -> Standing:
        return (self.slow or self.quick).standing()

    def _more(self) -> int:
        """Slow traces to be launched now that the quick ones have ended."""
        policy = self.policy
        bits = self.quick.tally.entropy
        budget = policy.budget(bits) if self.quick else policy.n
        found = f"{bits:.2f} bits" if self.quick else "no answer"
        self.why = f"{found} in {policy.quick} quick traces: {budget} of {policy.n}"
        return budget if policy.arm else max(0, budget - policy.quick)

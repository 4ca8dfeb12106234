"""The policy seam: a policy says what it needs and makes a decider for each problem; a decider turns events into decisions.

A decider is a pure state machine: no clock, no randomness that is not seeded by its policy, no text, no tasks. The same events give the same
decisions, whether they come from a recorded pool (`replay`) or from a live engine (`run_live`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .decisions import Decision
from .events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a run must provide; nothing else is asked of the engine."""

    tokens_every: int = 0
    """`Progress` whenever a trace passes a multiple of this; 0 for never."""
    stride: int = 0
    """`Measured` with mean confidences of pieces of so many tokens; 0 for never."""
    scores: bool = False
    """`Finished.scores`: log-probabilities of the top candidates."""
    steps: bool = False
    """`Finished.steps`, which needs log-probabilities, too."""
    probes: bool = False
    judges: frozenset[str] = frozenset()
    """Questions that it asks judges."""
    arms: frozenset[str] = frozenset()
    """Sources beside the main one."""
    branches: bool = False
    """It launches from prefixes of other traces."""
    purposes: frozenset[str] = frozenset()
    """Prompts that show other traces."""

    @property
    def logprobs(self) -> bool:
        return bool(self.stride or self.scores or self.steps)

    def __or__(self, other: Needs) -> Needs:
        if self.tokens_every and other.tokens_every and self.tokens_every != other.tokens_every:
            raise ValueError(f"`tokens_every` differs: {self.tokens_every} and {other.tokens_every}; give both policies the same")
        if self.stride and other.stride and self.stride != other.stride:
            raise ValueError(f"`stride` differs: {self.stride} and {other.stride}; give both policies the same")
        return Needs(
            tokens_every=self.tokens_every or other.tokens_every,
            stride=self.stride or other.stride,
            scores=self.scores or other.scores,
            steps=self.steps or other.steps,
            probes=self.probes or other.probes,
            judges=self.judges | other.judges,
            arms=self.arms | other.arms,
            branches=self.branches or other.branches,
            purposes=self.purposes | other.purposes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a decider would answer if it had to stop now."""

    answer: str | None
    trace: int | None = None
    posterior: float | None = None
    """Probability that the leading answer stays ahead of the second for ever (`Tally.posterior`); None where nobody votes."""
    gain: float | None = None
    """Upper bound on what one more vote is expected to add to the probability of the right answer; None where nobody can say."""


class Decider(Protocol):
    def on(self, event: Event) -> Iterable[Decision]:
        """Decisions, in the order in which they take effect. After a `Stop` there are no more events."""
        ...

    def standing(self) -> Standing:
        """The answer at this moment: what a budget returns when it runs out."""
        ...


@runtime_checkable
class Policy(Protocol):
    @property
    def needs(self) -> Needs: ...

    @property
    def most(self) -> int:
        """The most traces it may ever launch."""
        ...

    def decider(self) -> Decider:
        """A fresh one for one problem."""
        ...

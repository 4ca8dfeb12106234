"""Recorded traces: what a replay draws from. A pool is data only; `pool_file` reads and writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..errors import ConfigError
from .events import Step
from .policy import Needs
from .scores import TraceScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One trace of a pool."""

    tokens: int
    """Sampled by it, in all its threads."""
    answer: str | None
    """Canonical; None when it states none."""
    correct: bool
    cut: bool = False
    span: int | None = None
    """Sampled tokens on its critical path, which is the time that it takes; None when it is `tokens` (one thread)."""
    arm: str = ""
    probes: Sequence[str | None] | None = None
    """Canonical answers that it was made to give after 1, 2, … times `Pool.probe_every` tokens; None when nobody recorded them."""
    confidence: Sequence[float] | None = None
    """Mean confidences of its pieces of `Pool.stride` tokens (the last may be shorter)."""
    scores: TraceScores | None = None
    steps: Sequence[Step] | None = None
    reward: float | None = None
    """A reward model's score."""
    text: str | None = None
    token_ids: Sequence[int] | None = None

    @property
    def steps_taken(self) -> int:
        """Decoding steps from its launch to its end."""
        return self.tokens if self.span is None else self.span


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledProblem:
    id: str
    text: str
    gold: str | None
    traces: Sequence[Recorded]
    group: str = ""
    """Where it comes from, such as "aime24": replays report each group and all of them."""


@dataclass(frozen=True)
class Pool:
    """Problems with the traces sampled for each."""

    name: str
    problems: Sequence[PooledProblem]
    probe_every: int = 0
    stride: int = 0
    notes: Sequence[str] = field(default=())
    """What a reader of results should know: lines that were left out, where it comes from."""

    def __post_init__(self) -> None:
        if not self.problems:
            raise ConfigError(f"the pool {self.name} holds no problem that can be replayed")

    @cached_property
    def depth(self) -> int:
        """Traces of the main arm that every problem has at least."""
        return min(sum(not trace.arm for trace in problem.traces) for problem in self.problems)

    @cached_property
    def holds(self) -> Needs:
        """What a replay on this pool can provide."""
        traces = [trace for problem in self.problems for trace in problem.traces]
        judges = {"reward"} if all(trace.reward is not None for trace in traces) else set()
        return Needs(
            tokens_every=1,
            stride=self.stride if all(trace.confidence is not None for trace in traces) else 0,
            scores=all(trace.scores is not None for trace in traces),
            steps=all(trace.steps is not None for trace in traces),
            probes=bool(self.probe_every) and all(trace.probes is not None for trace in traces),
            judges=frozenset(judges),
            arms=frozenset(trace.arm for trace in traces),
        )

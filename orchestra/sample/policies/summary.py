"""Several traces, then one that reads them all and answers.

This is the text variant of ParaThinker (Native Parallel Thinking, arXiv 2509.04475): there the summary attends to the key–value caches
of all paths with thought-specific position embeddings, which needs a model trained for it and a patched engine. Here it reads their
text, which any model and engine can, at the price of reading all of it once more (`Account.prefill`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Abort, Decision, Launch, Revise, Stop
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..votes import Votes

SUMMARISE = "summarise"


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryOfN:
    """`n` traces; when `m` of them have ended the others are aborted, and one more trace reads those that ended and answers (the text
    variant of ParaThinker, arXiv 2509.04475).

    Where we differ from ParaThinker: text in place of caches, as above; with its "first finish" rule it cuts all paths when the first
    ends and reads what they have by then, while here only traces that ended are read.

    Fall-backs: a single trace that ended answers itself; a summary that is lost or states no answer gives way to the majority of the
    traces.
    """

    n: int = 8
    m: int | None = None
    """Ended traces after which the summary begins; None for all."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"`n` must be at least 1, got {self.n}")
        if self.m is not None and not 1 <= self.m <= self.n:
            raise ValueError(f"`m` must lie in 1 … {self.n}, got {self.m}")

    @property
    def most(self) -> int:
        return self.n if self.m == 1 or self.n == 1 else self.n + 1

    @property
    def needs(self) -> Needs:
        return Needs(purposes=frozenset({SUMMARISE} if self.most > self.n else ()))

    def decider(self) -> SummaryDecider:
        return SummaryDecider(self)


@dataclass
class SummaryDecider:
    policy: SummaryOfN
    board: Board = field(default_factory=Board)
    traces: list[Finished] = field(default_factory=list)
    """Those that the summary reads."""
    summary: int | None = None
    answer: Finished | None = None

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Finished() | Failed() if event.trace == self.summary:
                return [self._read(event)]
            case Finished():
                self.traces.append(event)
            case Failed():
                pass
            case _:
                return []
        if self.board.running and len(self.traces) < (self.policy.m or self.policy.n):
            return []
        if len(self.traces) < 2:
            return [Votes.of(self.traces).stop(f"{len(self.traces)} of {self.policy.n} traces ended, nothing to summarise")]
        late = tuple(self.board.running)
        self.board.abort(*late)
        self.summary = self.board.launched
        shown = tuple(sorted(trace.trace for trace in self.traces))
        summarise = self.board.launch(Launch(start=Revise(shown, SUMMARISE)))
        return [Abort(late), summarise] if late else [summarise]

    def standing(self) -> Standing:
        if self.answer is not None:
            return Standing(answer=self.answer.answer, trace=self.answer.trace)
        return Votes.of(self.traces).standing()

    def _read(self, event: Finished | Failed) -> Decision:
        votes = Votes.of(self.traces)
        if isinstance(event, Finished) and event.answer is not None:
            self.answer = event
            return Stop(event.answer, f"summary of {len(self.traces)} traces", event.trace)
        lost = "is lost" if isinstance(event, Failed) else "states no answer"
        return votes.stop(f"the summary {lost}, the traces vote")

"""Rounds of traces, each begun from a distillate of the round before.

    pdr(...)    parallel, distil, refine; one trace in the last round      Parallel-Distill-Refine, arXiv 2510.01123
    rsa(...)    a population that aggregates random subsets of itself      Recursive Self-Aggregation, arXiv 2509.26626

Both are `Distilled`: rounds of given widths and a rule that says what the next round sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from ..board import Board
from ..decisions import Decision, Launch, Revise
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..votes import Votes
from .rounds import REFINE, after

DISTILL, FROM_NOTES = "distill", "from_notes"

Distillation = Literal["summary", "top", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """Rounds of `widths` traces; what a round wrote is distilled, and the next begins from that alone (Parallel-Distill-Refine, Madaan
    et al. 2025, arXiv 2510.01123).

    In the paper's words S^(r) is M_r samples given C^(r-1), and C^(r) = D(S^(r)); the distillation D is one of these.

    "summary"    one more trace condenses the round into notes, and the next round solves the problem with these
    "top"        every trace of the next round sees the `keep` best of the round: those whose answers have most votes, shorter ones first
    "random"     every trace of the next round sees its own `keep` of the round, drawn at random by `seed`

    The answer is the majority of the last round, thus that of the one trace with which PDR ends. The account's `span` is the paper's
    sequential budget in sampled tokens, `work` its total one.

    Where we differ: "top" ranks by votes, where the paper lets the model grade, so that it costs nothing; the bound on the notes is the
    prompt's and the source's token limit. Nothing waits but for the round before.

    Fall-backs: notes that are lost are replaced by "top"; a lost round is tried again from what the last one began with; when the last
    round states no answer, the latest one that does votes.
    """

    widths: tuple[int, ...]
    distil: Distillation = "summary"
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"every round launches at least one trace, got `widths` {self.widths}")
        if self.keep < 1:
            raise ValueError(f"`keep` must be at least 1, got {self.keep}")

    @property
    def most(self) -> int:
        notes = len(self.widths) - 1 if self.distil == "summary" else 0
        return sum(self.widths) + notes

    @property
    def needs(self) -> Needs:
        if len(self.widths) == 1:
            return Needs()
        return Needs(purposes=frozenset({REFINE, DISTILL, FROM_NOTES} if self.distil == "summary" else {REFINE}))

    def decider(self) -> DistilledDecider:
        return DistilledDecider(self)


@dataclass
class DistilledDecider:
    policy: Distilled
    board: Board = field(default_factory=Board)
    rounds: int = 0
    """Launched so far."""
    current: list[Finished] = field(default_factory=list)
    """What the round under way has brought."""
    latest: list[Finished] = field(default_factory=list)
    """The latest round of which anything came."""
    distilling: bool = False
    notes: int | None = None
    """The trace that condensed `latest`."""
    voted: Votes = field(default_factory=Votes)
    """Of the latest complete round with votes."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        if not isinstance(event, Begun | Finished | Failed):
            return []
        if self.distilling:
            self.distilling = False
            self.notes = event.trace if isinstance(event, Finished) else None
            return self._next()
        if isinstance(event, Finished):
            self.current.append(event)
        if self.board.running:
            return []
        if isinstance(event, Begun):
            return self._next()
        return self._close()

    def standing(self) -> Standing:
        now = Votes.of(self.current)
        return (now if now else self.voted).standing()

    def _close(self) -> list[Decision]:
        votes = Votes.of(self.current)
        if votes:
            self.voted = votes
        if self.rounds == len(self.policy.widths):
            because = f"round {self.rounds} is the last"
            return [self.voted.stop(because if votes else f"{because} and states no answer, an earlier one votes")]
        if not self.current:
            return self._next()
        self.latest, self.notes = self.current, None
        if self.policy.distil == "summary" and len(self.latest) > 1:
            self.distilling = True
            shown = tuple(sorted(trace.trace for trace in self.latest))
            return [self.board.launch(Launch(start=Revise(shown, DISTILL)))]
        return self._next()

    def _next(self) -> list[Decision]:
        width = self.policy.widths[self.rounds]
        self.rounds += 1
        self.current = []
        if self.notes is not None:
            return [self.board.launch(Launch(width, start=Revise((self.notes,), FROM_NOTES)))]
        if self.policy.distil == "random" and self.latest:
            random = Random(f"{self.policy.seed} {self.rounds}")
            ordered = sorted(self.latest, key=lambda trace: trace.trace)
            keep = min(self.policy.keep, len(ordered))
            return [self.board.launch(Launch(start=after(random.sample(ordered, keep)))) for _ in range(width)]
        return [self.board.launch(Launch(width, start=after(self._top())))]

    def _top(self) -> list[Finished]:
        mass = Votes.of(self.latest).tally.mass
        ranked = sorted(self.latest, key=lambda trace: (-mass.get(trace.answer or "", 0.0), trace.tokens, trace.trace))
        return ranked[: self.policy.keep]


def pdr(n: int = 8, *, rounds: int = 2, distil: Distillation = "summary", keep: int = 2, seed: int = 0) -> Distilled:
    """`rounds` - 1 rounds of `n` traces and a last one of a single trace (PDR, arXiv 2510.01123)."""
    if rounds < 2:
        raise ValueError(f"PDR has at least 2 rounds, got {rounds}: with one there is nothing to refine")
    return Distilled(widths=(n,) * (rounds - 1) + (1,), distil=distil, keep=keep, seed=seed)


def rsa(n: int = 16, *, keep: int = 4, loops: int = 10, seed: int = 0) -> Distilled:
    """A population of `n` traces; in each of `loops` rounds after the first, every member is written anew from `keep` random members of
    the round before; the last population votes (Recursive Self-Aggregation, arXiv 2509.26626)."""
    if loops < 1:
        raise ValueError(f"`loops` must be at least 1, got {loops}")
    return Distilled(widths=(n,) * (loops + 1), distil="random", keep=keep, seed=seed)

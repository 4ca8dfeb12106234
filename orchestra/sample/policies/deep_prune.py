"""DeepPrune: a judge reads how traces begin, and those that seem to be heading for an answer that is already on its way are ended."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Abort, Decision, Judge, Launch, Stop
from ..events import Begun, Event, Failed, Finished, Group, Judged, Progress
from ..policy import Needs, Standing
from ..votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepPrune:
    """DeepPrune: a judge clusters running traces by the answers that they are heading for, and one of each cluster goes on (Tu et al.
    2025, arXiv 2510.08483, section "online pruning").

    When a trace has sampled `judge_tokens` tokens, the judge "same_answer" compares them with those of up to `sample` members of each
    cluster. The trace joins the cluster with the highest mean score, if that is above `tau`; else it founds a new one, up to
    `clusters`; else it goes on outside of all. Traces are judged one after the other while all decode.

    largest=0    a trace that joins is aborted at once, and those that finish vote. A cluster's aborted members vote with its first member
                 that finishes with an answer. (The paper stops joiners, too, and takes the answer of the largest cluster: this is the
                 same without a second stage of sampling.)
    largest=k    the paper's second stage: joiners go on until all that run are clustered. Then the first `k` running members of the largest
                 cluster go on (its K2), or, where no two traces share one, the first `k` founders (its K3), all other members are
                 aborted, and each that finishes has one vote.

    What differs from the paper: prefixes are counted in tokens, not in reasoning words, and by default are 8,000 and not 500 tokens
    long, because on recorded traces two beginnings tell nothing about each other's answers before (`docs/sampling.md`). A score of None
    is unknown and never prunes: means are over known scores, and a trace that joins nowhere while a comparison is unknown stays outside
    of all clusters. Once a trace would need more than what is left of `max_pairs`, no further trace is judged. When an engine failure
    takes a cluster's last trace, its aborted members' votes are lost with it.
    """

    n: int = 64
    judge_tokens: int = 8000
    tau: float = 0.5
    sample: int = 4
    clusters: int = 16
    largest: int = 0
    max_pairs: int = 2048
    seed: int = 0
    """Of the choice of members to compare with."""

    def __post_init__(self) -> None:
        for name in ("n", "judge_tokens", "sample", "clusters"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        for name in ("largest", "max_pairs"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}")
        if math.isnan(self.tau):
            raise ValueError("`tau` must be a number, got nan")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.judge_tokens, judges=frozenset({"same_answer"}))

    def decider(self) -> DeepPruneDecider:
        return DeepPruneDecider(self)


@dataclass
class DeepPruneDecider:
    policy: DeepPrune
    board: Board = field(default_factory=Board)
    clusters: list[list[int]] = field(default_factory=list)
    """Members in the order in which they joined, the founder first."""
    seen: set[int] = field(default_factory=set)
    """Traces that have come to `judge_tokens`."""
    queue: deque[int] = field(default_factory=deque)
    """Those of them that are still to be judged."""
    judged: int | None = None
    """The trace that the judge has now."""
    pairs: int = 0
    chosen: bool = False
    """The second stage has begun."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        decisions: list[Decision] = []
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Progress():
                come = [trace for trace in sorted(event.tokens) if trace not in self.seen]
                self.seen.update(come)
                self.queue.extend(come)
            case Judged():
                decisions = self._place(event.scores)
            case Finished() | Failed():
                pass
            case _:
                return []
        if self.judged is None:
            decisions += self._ask()
        if self.policy.largest and not self.chosen:
            decisions += self._choose()
        return decisions if self.board.running else [*decisions, self._stop()]

    def standing(self) -> Standing:
        return self._count().standing()

    def _ask(self) -> list[Decision]:
        """Judge the next trace in the queue that still runs."""
        policy = self.policy
        while self.queue:
            trace = self.queue.popleft()
            if trace not in self.board.running:
                continue
            if not self.clusters:
                self.clusters.append([trace])
                continue
            groups = tuple((trace, member) for number in range(len(self.clusters)) for member in self._members(trace, number))
            if self.pairs + len(groups) > policy.max_pairs:
                self.pairs = policy.max_pairs
                self.queue.clear()
                break
            self.pairs += len(groups)
            self.judged = trace
            return [Judge("same_answer", groups, policy.judge_tokens)]
        return []

    def _members(self, trace: int, cluster: int) -> list[int]:
        """Those that `trace` is compared with; the same whenever asked, as long as the cluster is."""
        members = self.clusters[cluster]
        if len(members) <= self.policy.sample:
            return members
        return random.Random(f"{self.policy.seed} {trace} {cluster}").sample(members, self.policy.sample)

    def _place(self, scores: Mapping[Group, float | None]) -> list[Decision]:
        """Put the judged trace where it belongs."""
        trace, self.judged = self.judged, None
        assert trace is not None
        if any(lost.trace == trace for lost in self.board.failed):
            return []
        similar = [self._similarity(trace, members, scores) for members in self.clusters]
        known = [(score, -number) for number, score in enumerate(similar) if score is not None]
        score, cluster = max(known, default=(-math.inf, 0))
        if score > self.policy.tau:
            self.clusters[-cluster].append(trace)
            if trace in self.board.running and not self.policy.largest:
                self.board.abort(trace)
                return [Abort((trace,))]
        elif len(known) == len(similar) < self.policy.clusters:
            self.clusters.append([trace])
        return []

    def _similarity(self, trace: int, members: list[int], scores: Mapping[Group, float | None]) -> float | None:
        """Mean over the members that the judge had an opinion on; None without any."""
        known = [score for member in members if (score := scores.get((trace, member))) is not None and not math.isnan(score)]
        return math.fsum(known) / len(known) if known else None

    def _choose(self) -> list[Decision]:
        """The second stage, once nothing that runs is still to be judged."""
        if self.judged is not None or self.queue or not self.clusters or not self.seen.issuperset(self.board.running):
            return []
        self.chosen = True
        best = max(self.clusters, key=len)
        pool = best if len(best) > 1 else [members[0] for members in self.clusters]
        going_on = [trace for trace in pool if trace in self.board.running][: self.policy.largest]
        given_up = tuple(
            trace for members in self.clusters for trace in members if trace in self.board.running and trace not in going_on
        )
        self.board.abort(*given_up)
        return [Abort(given_up)] if given_up else []

    def _count(self) -> Votes:
        votes = {trace.trace: 1 for trace in self.board.finished if trace.answer is not None}
        if not self.policy.largest:
            for members in self.clusters:
                heir = next((trace for trace in members if trace in votes), None)
                if heir is not None:
                    votes[heir] += len(self.board.aborted.intersection(members))
        voters = [trace for trace in self.board.finished if trace.trace in votes]
        return Votes.of(voters, [float(votes[trace.trace]) for trace in voters])

    def _stop(self) -> Stop:
        return self._count().stop(
            f"{len(self.board.finished)} finished, {len(self.board.aborted)} pruned, {len(self.clusters)} clusters, {self.pairs} pairs judged"
        )

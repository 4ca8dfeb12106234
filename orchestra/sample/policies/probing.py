"""Policies that make running traces answer now, and go by what they say.

On recorded Qwen3-8B traces, forced answers of running traces made votes worse by 2 to 3 points (`docs/sampling.md`). `Dynasor` and
`ParallelProbe` let them vote all the same, because that is what was published; `ProbeRank` only lets them say which traces to give up.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Abort, Decision, Launch, Probe
from ..events import Begun, Event, Failed, Finished, Probed, Progress
from ..policy import Needs, Standing
from ..votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynasor:
    """A trace that gives the same answer to `equal` probes in a row is certain, and ends with it (Dynasor-CoT: Fu et al. 2024, arXiv
    2412.20993, "certainty probing").

    Every trace is probed every `tokens_every` tokens; one that is certain is aborted, and its forced answer votes like a finished
    trace's. With n=1 this is the paper's early exit, with more a majority over such traces. An unreadable or failed probe breaks the
    row. We differ in that a probe counts whatever its words: Dynasor discards answers with words of doubt ("wait", "hmm"), and policies
    see no text.
    """

    n: int = 1
    equal: int = 3
    tokens_every: int = 64

    def __post_init__(self) -> None:
        _at_least_one(n=self.n, equal=self.equal, tokens_every=self.tokens_every)

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.tokens_every, probes=True)

    def decider(self) -> DynasorDecider:
        return DynasorDecider(self)


@dataclass
class DynasorDecider:
    policy: Dynasor
    board: Board = field(default_factory=Board)
    votes: Votes = field(default_factory=Votes)
    rows: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By running trace, its last answer and how often it came in a row."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        decisions: list[Decision] = []
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Progress():
                return _probe(self.board, event.tokens)
            case Probed():
                decisions = self._certain(event.answers)
            case Finished():
                self.votes.add(event.trace, event.answer)
            case Failed():
                pass
            case _:
                return []
        if self.board.running:
            return decisions
        certain = len(self.board.aborted)
        return [
            *decisions,
            self.votes.stop(f"{certain} of {self.policy.n} traces were certain, {len(self.board.finished)} finished"),
        ]

    def standing(self) -> Standing:
        return self.votes.standing()

    def _certain(self, answers: Mapping[int, str | None]) -> list[Decision]:
        """End the traces whose row is long enough."""
        certain = []
        for trace, answer in answers.items():
            if trace not in self.board.running:
                continue
            if answer is None:
                self.rows.pop(trace, None)
                continue
            last, times = self.rows.get(trace, (answer, 0))
            times = times + 1 if last == answer else 1
            self.rows[trace] = answer, times
            if times >= self.policy.equal:
                certain.append(trace)
                self.votes.add(trace, answer)
        self.board.abort(*certain)
        return [Abort(tuple(certain))] if certain else []


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelProbe:
    """All traces answer every `tokens_every` tokens; those that keep off the majority are pruned, and a majority that keeps still is
    the answer (Parallel-Probe, arXiv 2602.03845, section 4, and its released configuration).

    A round is over when every running trace has passed its next probe. Active are running traces, with their last probe, and finished
    ones, with their answer. After more than `warmup` further rounds than the first, a running trace whose probe was not the majority's
    in `patience` rounds on end is aborted. The run stops when the majority has been confirmed in `stable` rounds on end, or with the
    last trace.

    We differ in two points. An unreadable answer never votes (in the released code it is an answer like others), and disagrees with
    every majority. The paper does not count what probes cost; here the account holds it. Rounds expect traces that decode side by side:
    with fewer slots than traces they wait for the last.
    """

    n: int = 64
    tokens_every: int = 500
    warmup: int = 15
    patience: int = 7
    stable: int = 40

    def __post_init__(self) -> None:
        _at_least_one(n=self.n, tokens_every=self.tokens_every, patience=self.patience, stable=self.stable)
        if self.warmup < 0:
            raise ValueError(f"`warmup` must be at least 0, got {self.warmup}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.tokens_every, probes=True)

    def decider(self) -> ParallelProbeDecider:
        return ParallelProbeDecider(self)


@dataclass
class ParallelProbeDecider:
    policy: ParallelProbe
    board: Board = field(default_factory=Board)
    latest: dict[int, str | None] = field(default_factory=dict)
    """Last answers of active traces."""
    asked: dict[int, deque[int]] = field(default_factory=dict)
    passed: dict[int, int] = field(default_factory=dict)
    """By trace, the rounds whose probes are under way, and the last one whose probe was answered."""
    astray: Counter[int] = field(default_factory=Counter)
    """Rounds on end in which a trace was off the majority."""
    round: int = 0
    majority: str | None = None
    confirmed: int = 0

    def on(self, event: Event) -> Iterable[Decision]:
        board = self.board
        board.see(event)
        decisions: list[Decision] = []
        match event:
            case Begun():
                return [board.launch(Launch(self.policy.n))]
            case Progress():
                for trace, tokens in event.tokens.items():
                    self.asked.setdefault(trace, deque()).append(tokens // self.policy.tokens_every)
                return _probe(board, event.tokens)
            case Probed():
                for trace, answer in event.answers.items():
                    if trace in board.running:
                        self.latest[trace] = answer
                        self.passed[trace] = self.asked[trace].popleft()
            case Finished():
                self.latest[event.trace] = event.answer
            case Failed():
                self.latest.pop(event.trace, None)
            case _:
                return []
        passed = min((self.passed.get(trace, 0) for trace in board.running), default=0)
        if passed > self.round:
            self.round = passed
            decisions = self._prune()
            majority = self._count().tally.leader
            self.confirmed = self.confirmed + 1 if majority is not None and majority == self.majority else 0
            self.majority = majority
            if self.confirmed >= self.policy.stable:
                return [*decisions, self._count().stop(f"the majority stood still for {self.confirmed} rounds")]
        if board.running:
            return decisions
        return [*decisions, self._count().stop(f"no trace is left after {self.round} rounds")]

    def standing(self) -> Standing:
        return self._count().standing()

    def _prune(self) -> list[Decision]:
        if self.round < self.policy.warmup + 2 or len(self.latest) < 2:  # the first round only sets the scene
            return []
        majority = self._count().tally.leader
        for trace in self.board.running:
            self.astray[trace] = 0 if self.latest[trace] == majority else self.astray[trace] + 1
        if majority is None:
            return []
        pruned = tuple(trace for trace in self.board.running if self.astray[trace] >= self.policy.patience)
        self.board.abort(*pruned)
        for trace in pruned:
            del self.latest[trace]
        return [Abort(pruned)] if pruned else []

    def _count(self) -> Votes:
        votes = Votes()
        for trace in sorted(self.latest):  # a tie goes to the first branch
            votes.add(trace, self.latest[trace])
        return votes


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRank:
    """Ours: forced answers only say which traces to give up when no more than `running` may go on after `at` tokens.

    All `n` are launched. When the first trace has sampled `at` tokens, all that run are probed once, and the `running` stay whose
    answers are shared by most traces (finished ones counted with their answers; ties by launch). Forced answers never vote: finished
    traces do, and the rest is aborted when the posterior of their leader reaches `threshold` (as in `asc_events`). When a probe fails,
    its trace ranks last.
    """

    n: int = 64
    running: int = 16
    at: int = 8000
    threshold: float = 0.95

    def __post_init__(self) -> None:
        _at_least_one(n=self.n, running=self.running, at=self.at)
        if not 0.5 < self.threshold <= 1:
            raise ValueError(f"`threshold` must lie in (0.5, 1], got {self.threshold}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.at, probes=True)

    def decider(self) -> ProbeRankDecider:
        return ProbeRankDecider(self)


@dataclass
class ProbeRankDecider:
    policy: ProbeRank
    board: Board = field(default_factory=Board)
    votes: Votes = field(default_factory=Votes)
    probed: bool = False

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Progress() if not self.probed:
                self.probed = True
                return _probe(self.board, self.board.running) if len(self.board.running) > self.policy.running else []
            case Probed():
                return self._give_up(event.answers)
            case Finished():
                self.votes.add(event.trace, event.answer)
            case Failed():
                pass
            case _:
                return []
        posterior = self.votes.tally.posterior
        if len(self.board.finished) > 1 and posterior >= self.policy.threshold:
            return [self.votes.stop(f"posterior {posterior:.3f} after {len(self.board.finished)} traces")]
        return [] if self.board.running else [self.votes.stop(f"{len(self.board.finished)} traces vote")]

    def standing(self) -> Standing:
        return self.votes.standing()

    def _give_up(self, answers: Mapping[int, str | None]) -> list[Decision]:
        support = Counter(trace.answer for trace in self.board.finished)
        support.update(answers.values())
        del support[None]

        def rank(trace: int) -> tuple[int, int]:
            return -support[answers.get(trace)], trace

        given_up = tuple(sorted(sorted(self.board.running, key=rank)[self.policy.running :]))
        self.board.abort(*given_up)
        return [Abort(given_up)] if given_up else []


def _probe(board: Board, traces: Iterable[int]) -> list[Decision]:
    running = tuple(trace for trace in traces if trace in board.running)
    return [Probe(running)] if running else []


def _at_least_one(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}")

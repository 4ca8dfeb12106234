"""What replay and live runs share: decisions are taken, checked and carried out in one order, and the critical path is counted one way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..errors import ConfigError, PolicyError
from .account import Account
from .decisions import Abort, Judge, Launch, Probe, Stop, Wake
from .events import Event, Failed, Finished
from .outcome import Outcome, Turn
from .policy import Decider, Policy

Observer = Callable[[Turn, Decider], None]
"""Told every event with what the policy decided, before that is carried out; `decider.standing()` is the answer of the moment, with its
posterior and what one more vote is expected to gain."""


def check_slots(slots: int | None) -> None:
    """Raises `ConfigError` unless traces can run in so many slots; None is as many as are launched."""
    if slots is not None and slots < 1:
        raise ConfigError(f"`slots` must be at least 1, got {slots}; leave it out to run all traces at once")


class Stage(Protocol):
    """Where decisions are carried out. Each call returns at once; what comes of it are later events."""

    def launch(self, first: int, launch: Launch) -> None:
        """Start `launch.count` traces, numbered from `first`."""
        ...

    def abort(self, trace: int) -> None:
        """End a trace that runs."""
        ...

    def probe(self, probe: Probe) -> None: ...

    def judge(self, judge: Judge) -> None: ...

    def wake(self, wake: Wake) -> None: ...


class Run:
    """One problem under one policy. The stage posts events; everything else follows from them."""

    def __init__(self, policy: Policy, stage: Stage, *, log: bool, observer: Observer | None = None) -> None:
        self.policy = policy
        self.running: set[int] = set()
        self.launched = 0
        self.pending = 0
        """Probes, judges and wake-ups under way: more events come without a trace that runs."""
        self.span = 0
        """Sampled tokens on the critical path of everything that the policy knows by now."""
        self.account = Account()
        self.stop: Stop | None = None
        self.decider: Decider = policy.decider()
        self._stage = stage
        self._origin: list[int] = []
        self._turns: list[Turn] | None = [] if log else None
        self._observer = observer
        self._events: deque[Event] = deque()
        self._busy = False
        self._errors: list[str] = []
        self._cut_short = False
        """Traces were still running at the stop."""

    def reached(self, trace: int, steps: int) -> None:
        """The policy learns something that `trace` sampled `steps` tokens for, along its own critical path."""
        self.span = max(self.span, self._origin[trace] + steps)

    def waited(self, since: int, tokens: int) -> None:
        """The policy learns something that a judge sampled `tokens` for, asked when the critical path was `since` long."""
        self.span = max(self.span, since + tokens)

    def post(self, event: Event) -> None:
        """Tell the policy. Events that come while it decides wait for their turn; after a stop they are dropped."""
        self._events.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._events and self.stop is None:
                self._take(self._events.popleft())
        finally:
            self._busy = False

    def _take(self, event: Event) -> None:
        if isinstance(event, Finished | Failed):
            if event.trace not in self.running:
                return  # it was aborted before this news came
            self.running.discard(event.trace)
            if isinstance(event, Failed):
                self.account.failed += 1
                self._errors.append(event.error)
            else:
                self.account.finished += 1
        decisions = tuple(self.decider.on(event))
        if self._turns is not None:
            self._turns.append(Turn(event=event, decisions=decisions))
        if self._observer is not None:
            self._observer(Turn(event=event, decisions=decisions), self.decider)
        for decision in decisions:
            if self.stop is not None:
                raise PolicyError(f"{self.policy} decides {decision} after its stop: a `Stop` is a decider's last decision")
            self._carry_out(decision)
        if self.stop is None and not self.running and not self.pending and not self._events:
            raise PolicyError(
                f"{self.policy} neither launches nor stops although every trace has ended: its decider must answer the last "
                "`Finished` or `Failed` with a decision"
            )

    def _carry_out(self, decision: Launch | Abort | Probe | Judge | Wake | Stop) -> None:
        match decision:
            case Launch():
                if decision.count < 1 or self.launched + decision.count > self.policy.most:
                    raise PolicyError(
                        f"{self.policy} launches {decision.count} traces after {self.launched}, but says it needs {self.policy.most} at most"
                    )
                first = self.launched
                self.launched += decision.count
                self.account.launched = self.launched
                self._origin.extend([self.span] * decision.count)
                self.running.update(range(first, self.launched))
                self._stage.launch(first, decision)
            case Abort():
                for trace in decision.traces:
                    self._check(trace, decision)
                    self._abort(trace)
            case Probe():
                for trace in decision.traces:
                    self._check(trace, decision)
                self._stage.probe(decision)
            case Judge():
                for trace in {trace for group in decision.groups for trace in group}:
                    self._check(trace, decision)
                self._stage.judge(decision)
            case Wake():
                self._stage.wake(decision)
            case Stop():
                self.stop = decision
                self._cut_short = bool(self.running)
                for trace in sorted(self.running):
                    self._abort(trace)

    def _check(self, trace: int, decision: object) -> None:
        if not 0 <= trace < self.launched:
            raise PolicyError(f"{self.policy} decides {decision}, but only {self.launched} traces were launched")

    def _abort(self, trace: int) -> None:
        if trace in self.running:  # aborts are idempotent
            self.running.discard(trace)
            self._stage.abort(trace)

    def outcome(self) -> Outcome:
        """Of a run that has stopped, once the account holds everything."""
        assert self.stop is not None
        lost = self.stop.answer is None and not self.account.finished and not self._cut_short
        return Outcome(
            answer=self.stop.answer,
            trace=self.stop.trace,
            why=self.stop.why,
            posterior=self.decider.standing().posterior,
            account=self.account,
            error=f"every trace was lost: {self._errors[0]}" if lost and self._errors else None,
            turns=self._turns or (),
        )

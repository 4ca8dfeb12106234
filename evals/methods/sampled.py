"""Traces under a sampling policy as a method: one trace is the serial method, many are a vote, a race, a refinement …

Where traces come from is a `Source` that is made for each try: chats, engines with a chat tokenizer, Countdown's serial or forked searches,
whole plans. An engine failure that takes any trace takes the try: an answer from the traces that are left would be that of another policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestra.chat import ChatModel
from orchestra.sample.bench import Bench
from orchestra.sample.events import Failed, Finished
from orchestra.sample.judges.default import default_judges
from orchestra.sample.live import run_live
from orchestra.sample.outcome import Outcome, Turn
from orchestra.sample.policy import Decider, Policy
from orchestra.sample.source import LiveTrace, Source
from orchestra.sample.text_state import TextState
from orchestra.sample.tree import sample_tree
from orchestra.trace.record import Decode, TraceRecord, record

from ..method import Attempted, Costs, Kept, NodeOutcome
from ..problem import Problem
from .boxes import boxed
from .call_record import record_of_calls
from .calls import Call, HasCalls, widest
from .costs import costs_of_sample

MakeSource = Callable[[Problem, int], Source]
"""Of one problem and epoch."""
MOST_KEPT = 200_000
"""Tokens of a try whose threads are kept; of a longer one only the text is."""


def written(trace: LiveTrace) -> str:
    """All that it wrote. A thought that the model's template has opened is one: what stands in it is no answer."""
    opened = isinstance(trace.state, TextState) and trace.state.opens_thinking
    return ("<think>" if opened else "") + trace.text


def counted(token_ids: Sequence[int]) -> str:
    """What stands for tokens whose text is not known."""
    return f"{len(token_ids)} tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a kind of source leaves in its traces, and how it is read."""

    text: Callable[[LiveTrace], str] = written
    """What a trace that speaks for the answer says, for the grader."""
    decode: Decode = counted
    costs: Callable[[Outcome, Sequence[LiveTrace]], Costs] = costs_of_sample
    plan: Callable[[LiveTrace], Mapping[str, Any] | None] | None = None
    outcomes: Callable[[LiveTrace], Mapping[str, NodeOutcome]] | None = None
    facts: Callable[[LiveTrace], Mapping[str, Any]] | None = None


class Sampled:
    """`policy` on the traces of a source. Entering and leaving engines is the caller's.

    Args:
        model: judges what the policy asks about single traces; None where there is no chat model.
        seconds: after which the policy, or what it runs on, ends a try by itself; such a try has timed out.
    """

    def __init__(
        self,
        label: str,
        policy: Policy,
        source: MakeSource,
        *,
        reading: Reading | None = None,
        model: ChatModel | None = None,
        seconds: float | None = None,
    ) -> None:
        """Raises `ConfigError` for a policy that asks what nobody here can judge."""
        self._label = label
        self._policy = policy
        self._source = source
        self._reading = reading or Reading()
        self._seconds = seconds
        self._bench = Bench(judges=default_judges(policy.needs.judges, model))

    @property
    def label(self) -> str:
        return self._label

    async def attempt(self, problem: Problem, *, epoch: int) -> Attempted:
        """Raises `ConfigError` and `PolicyError` for a policy that these traces cannot serve."""
        source = self._source(problem, epoch)
        traces: list[LiveTrace] = []
        seen = _Seen()
        outcome = await run_live(
            self._policy,
            source,
            problem=problem.text,
            session=f"{problem.id}-{epoch}",
            bench=self._bench,
            traces=traces,
            observer=seen.observe,
        )
        speaker = self._speaker(outcome, traces, seen)
        reading = self._reading
        text = reading.text(speaker) if speaker is not None else boxed(outcome.answer) if outcome.answer is not None else None
        timed_out = self._seconds is not None and outcome.account.seconds >= self._seconds
        cut = speaker.id in seen.cut if speaker is not None else timed_out
        costs, calls = reading.costs(outcome, traces), source.made if isinstance(source, HasCalls) else ()
        if calls:
            seconds = sum(call.finished - call.started for call in calls)
            prompts = sum(call.prompt or 0 for call in calls)
            costs = replace(costs, requests=len(calls), injected=prompts, context=widest(calls), engine_seconds=seconds)
        return Attempted(
            text=text,
            status="failed" if seen.errors else "cut" if cut else "finished",
            costs=costs,
            error=_lost(seen.errors, len(traces)),
            timed_out=timed_out,
            facts=self._facts(outcome, speaker),
            keep=lambda: Kept(
                text=text,
                tree=self._record(problem, outcome, traces, calls, costs),
                plan=reading.plan(speaker) if reading.plan is not None and speaker is not None else None,
                outcomes=reading.outcomes(speaker) if reading.outcomes is not None and speaker is not None else {},
            ),
        )

    def _speaker(self, outcome: Outcome, traces: Sequence[LiveTrace], seen: _Seen) -> LiveTrace | None:
        """The trace whose text is graded: the one that speaks for the answer; where nothing could be counted, the first that ended."""
        if outcome.trace is not None:
            return traces[outcome.trace]
        if outcome.answer is None and seen.ended:
            return traces[min(seen.ended)]
        return None

    def _facts(self, outcome: Outcome, speaker: LiveTrace | None) -> dict[str, Any]:
        own = self._reading.facts(speaker) if self._reading.facts is not None and speaker is not None else {}
        # What a policy says of one trace is nothing that a try does not show.
        return dict(own) if self._policy.most == 1 else {"why": outcome.why, **own}

    def _record(
        self, problem: Problem, outcome: Outcome, traces: Sequence[LiveTrace], calls: Sequence[Call], costs: Costs
    ) -> TraceRecord | None:
        if costs.work > MOST_KEPT:
            return None
        facts = {"problem": problem.name or problem.text[:200], "answer": outcome.answer or "none", "why": outcome.why}
        if calls:
            return record_of_calls(calls, costs, title=self._label, session=traces[0].session, facts=facts, error=outcome.error)
        tree = traces[0].tree if len(traces) == 1 else sample_tree(outcome, traces)
        return None if tree is None else record(tree, decode=self._reading.decode, title=self._label, facts=facts)


def _lost(errors: Sequence[str], traces: int) -> str | None:
    if not errors:
        return None
    return errors[0] if traces == 1 else f"{len(errors)} of {traces} traces were lost: {errors[0]}"


@dataclass(slots=True)
class _Seen:
    """What a run's events say that its outcome does not."""

    errors: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    cut: set[int] = field(default_factory=set)

    def observe(self, turn: Turn, decider: Decider) -> None:
        event = turn.event
        if isinstance(event, Failed):
            self.errors.append(event.error)
        elif isinstance(event, Finished):
            self.ended.append(event.trace)
            if event.cut:
                self.cut.add(event.trace)

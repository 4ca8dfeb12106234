"""Plans as a method: an `Agent` with the benchmark's tools answers each problem; a policy may run several and vote.

A tool that fails is the plan's affair, as is a plan that cannot be run: such a try is graded by what the agent answers. A model that fails
is an infrastructure failure.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn

from pydantic_core import to_jsonable_python

from orchestra.agent import Agent, Settings
from orchestra.agent.command import answer_text
from orchestra.agent.events import AgentResult
from orchestra.agent.joiner import ModelJoiner
from orchestra.agent.planner import TextPlanner
from orchestra.answers import Equivalence, extract
from orchestra.chat import ChatModel
from orchestra.errors import ConfigError, EngineError
from orchestra.sample.decisions import Fresh
from orchestra.sample.outcome import Outcome
from orchestra.sample.source import Ending, LiveTrace, Usage
from orchestra.schedule.budget import Budget
from orchestra.tools import Tool, arithmetic, as_tool

from ..benchmark import Benchmark
from ..method import Costs, NodeOutcome
from ..problem import Problem
from ..suite.prompts import asked
from .boxes import boxed
from .calls import Call, Calls
from .costs import costs_of_sample
from .sampled import Reading
from .seeds import epoch_seed
from .voting import Voting

_HEAD = 600
"""Characters of a node's value, and of its error, that are kept for looking at it."""
_LONGEST_ANSWER = 300
"""Characters of an answer that is put into a box; a longer one is a text that states it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """Makes the source of each try. Entering and leaving the model and `answers` is the caller's."""

    benchmark: Benchmark
    chat: ChatModel
    answers: Equivalence
    tools: Sequence[Tool] = ()
    """Beside the benchmark's own."""
    max_tokens: int = 2_048
    """Of one reply."""
    temperature: float = 0.0
    seed: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def __call__(self, problem: Problem, epoch: int) -> PlanSource:
        return PlanSource(self, problem, seed=epoch_seed(self.seed, epoch))

    def tools_of(self, problem: Problem) -> list[Tool]:
        """The benchmark's, or arithmetic where it has none, and those that were given."""
        own = self.benchmark.tools
        return [*map(as_tool, own(problem) if own is not None else (arithmetic,)), *self.tools]


@dataclass(slots=True)
class PlanState:
    """`LiveTrace.state` of a `PlanSource`."""

    calls: Calls
    result: AgentResult | None = None
    """None until the agent has come to its end."""


class PlanSource:
    """Runs of an agent on one problem. They can be launched and aborted, but neither shown to each other, branched, probed nor scored."""

    def __init__(self, planning: Planning, problem: Problem, *, seed: int | None) -> None:
        self._planning = planning
        self._problem = problem
        self._seed = seed
        self._calls: list[Calls] = []

    @property
    def made(self) -> Sequence[Call]:
        return [call for calls in self._calls for call in calls.made]

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self, trace: LiveTrace) -> Ending:
        """Raises `EngineError` when the model fails, whatever the agent made of it, and `ConfigError` for a start that it cannot give."""
        if not isinstance(trace.start, Fresh) or trace.continued or trace.top_logprobs:
            self._refuse()
        calls = Calls(self._planning.chat, seed=None if self._seed is None else self._seed + trace.id)
        self._calls.append(calls)
        state = trace.state = PlanState(calls)
        try:
            result = state.result = await self._agent(calls).run(
                asked(self._planning.benchmark, self._problem), budget=self._budget()
            )
        finally:
            trace.usage = Usage(sampled=calls.sampled, span=calls.span, prefill=calls.prefilled, cached=calls.cached)
        if calls.failure is not None:
            raise EngineError(str(calls.failure), status=calls.failure.status)
        trace.text = _said(result)
        trace.answer_text = extract(trace.text)
        ending = Ending(answer=await self._planning.answers.key(self._problem.id, trace.answer_text))
        voting = Voting(benchmark=self._planning.benchmark, problem=self._problem, answers=self._planning.answers)
        return await voting.of(trace, ending, trace.text)

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        """Always raises `ConfigError`."""
        self._refuse()

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        return trace.text

    def _agent(self, calls: Calls) -> Agent:
        planning = self._planning
        most, temperature = planning.max_tokens, planning.temperature
        settings = Settings(
            planner=partial(TextPlanner, max_tokens=most, temperature=temperature),
            joiner=partial(ModelJoiner, max_tokens=most, temperature=temperature),
        )
        return Agent(calls, planning.tools_of(self._problem), settings=settings)

    def _budget(self) -> Budget | None:
        planning = self._planning
        if planning.tokens is None and planning.seconds is None:
            return None
        return Budget(tokens=planning.tokens, seconds=planning.seconds)

    def _refuse(self) -> NoReturn:
        raise ConfigError(
            "plans can only be launched and voted on: choose a policy without log-probabilities, probes, branches and revisions, such as"
            " self_consistency or adaptive"
        )


def _said(result: AgentResult) -> str:
    """The agent's answer as a text that graders read; empty when there is none."""
    if result.status != "succeeded":
        return ""
    text = answer_text(result).strip()
    short = len(text) <= _LONGEST_ANSWER and "\n" not in text
    return boxed(text) if short and text and extract(text) is None else text


def _plan(trace: LiveTrace) -> Mapping[str, Any] | None:
    result = trace.state.result if isinstance(trace.state, PlanState) else None
    if result is None or result.result is None:
        return None
    plan: Mapping[str, Any] = result.result.plan.model_dump(mode="json", exclude_defaults=True)
    return plan


def _outcomes(trace: LiveTrace) -> Mapping[str, NodeOutcome]:
    result = trace.state.result if isinstance(trace.state, PlanState) else None
    if result is None or result.result is None:
        return {}
    began = result.result.started
    return {
        id: NodeOutcome(
            status=outcome.status,
            started=None if outcome.started is None else outcome.started - began,
            finished=None if outcome.finished is None else outcome.finished - began,
            output=_head(outcome.value) if outcome.ok else None,
            error=_head(outcome.error) if outcome.error is not None else None,
        )
        for id, outcome in result.result.outcomes.items()
    }


def _head(value: Any) -> str:
    """Text as it is, anything else as JSON; of both the beginning, without what no file can hold."""
    if not isinstance(value, str):
        value = json.dumps(to_jsonable_python(value, fallback=str, inf_nan_mode="strings"), ensure_ascii=False)
    return str(value)[:_HEAD].encode(errors="replace").decode()


def _facts(trace: LiveTrace) -> Mapping[str, Any]:
    result = trace.state.result if isinstance(trace.state, PlanState) else None
    if result is None:
        return {}
    facts: dict[str, Any] = {"agent": result.status, "rounds": result.rounds}
    if result.error:
        facts["trouble"] = result.error[:300]
    if result.result is not None:
        outcomes = result.result.outcomes.values()
        facts |= {"nodes": len(outcomes), "failed_nodes": sum(outcome.status == "failed" for outcome in outcomes)}
    return facts


def _costs(outcome: Outcome, traces: Sequence[LiveTrace]) -> Costs:
    states = [trace.state for trace in traces if isinstance(trace.state, PlanState)]
    nodes = sum(len(s.result.result.outcomes) for s in states if s.result is not None and s.result.result is not None)
    return replace(
        costs_of_sample(outcome, traces),
        wasted=outcome.account.wasted + sum(state.calls.lost for state in states if state.result is not None),
        threads=nodes or len(states),
    )


READING = Reading(plan=_plan, outcomes=_outcomes, facts=_facts, costs=_costs)

"""Plans as a method: what they cost, what is graded, and which failures are whose."""

from __future__ import annotations

import json

import pytest
from orchestra.evals.benchmark import Benchmark
from orchestra.evals.methods.calls import Call, Calls
from orchestra.evals.methods.planning import READING, Planning
from orchestra.evals.methods.sampled import Sampled
from orchestra.evals.problem import Problem

from orchestra.answers import Equivalence
from orchestra.chat import ChatRequest, ScriptedChat
from orchestra.errors import ConfigError, EngineError
from orchestra.sample import read_policy
from orchestra.tools import as_tool, tool

pytestmark = pytest.mark.anyio

PLAN = '1. arithmetic("6*7-5")\n2. join()\n'


def planner(plan: str | Exception, answer: object = 37) -> ScriptedChat:
    """Writes `plan` when it is asked for one, and answers when it is asked to join."""

    def reply(request: ChatRequest) -> str | Exception:
        planning = request.messages[0].content.startswith("You plan")
        return plan if planning else json.dumps({"thought": "so", "answer": answer})

    return ScriptedChat(reply)


def method(tiny: Benchmark, chat: ScriptedChat, same: Equivalence, spec: str = "self_consistency:n=1", **more: object) -> Sampled:
    planning = Planning(benchmark=tiny, chat=chat, answers=same, **more)  # type: ignore[arg-type]
    return Sampled("plan", read_policy(spec), planning, reading=READING)


async def test_the_agents_answer_is_graded_and_its_plan_is_kept(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    done = await method(tiny, planner(PLAN), same).attempt(eggs, epoch=0)
    assert (done.text, done.error, done.facts["agent"]) == (r"\boxed{37}", None, "succeeded")
    assert (await tiny.grade(eggs, done.text or "", same)).correct
    plan = done.keep().plan
    assert plan is not None and plan["nodes"][0]["tool"] == "arithmetic"
    (outcome,) = done.keep().outcomes.values()
    assert (outcome.status, outcome.output, outcome.error) == ("succeeded", "37", None)
    assert outcome.started is not None and outcome.finished is not None and 0 <= outcome.started <= outcome.finished
    tree = done.keep().tree
    assert tree is not None and [len(thread.segments) for thread in tree.threads] == [4], "planner and joiner, one after the other"
    assert done.costs.requests == 2 and done.costs.threads == 1 and done.costs.work == done.costs.span > 0


async def test_a_tool_that_fails_is_no_infrastructure_failure(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    done = await method(tiny, planner('1. arithmetic("6/0")\n2. join()\n', answer="none"), same).attempt(eggs, epoch=0)
    assert done.error is None and done.facts["failed_nodes"] == 1
    (outcome,) = done.keep().outcomes.values()
    assert outcome.status == "failed" and outcome.error and outcome.output is None
    assert not (await tiny.grade(eggs, done.text or "", same)).correct


async def test_a_plan_that_cannot_be_run_is_a_wrong_answer(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    done = await method(tiny, planner("I would rather not."), same).attempt(eggs, epoch=0)
    assert done.error is None and done.facts["agent"] == "failed" and done.facts["trouble"]
    assert not (await tiny.grade(eggs, done.text or "", same)).correct


async def test_a_model_that_fails_is_an_infrastructure_failure(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    done = await method(tiny, planner(EngineError("gone")), same).attempt(eggs, epoch=0)
    assert done.error is not None and "gone" in done.error


async def test_plans_can_be_voted_on(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    done = await method(tiny, planner(PLAN), same, "self_consistency:n=3").attempt(eggs, epoch=0)
    assert done.text == r"\boxed{37}" and done.costs.requests == 6 and done.costs.threads == 3


async def test_a_policy_that_shows_plans_to_each_other_is_refused(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    with pytest.raises(ConfigError, match="plans can only be launched and voted on"):
        await method(tiny, planner(PLAN), same, "sequential_refinement:steps=2").attempt(eggs, epoch=0)


async def test_given_tools_stand_beside_the_benchmarks_own(tiny: Benchmark, eggs: Problem, same: Equivalence) -> None:
    @tool(effect="pure")
    def eggs_in(rows: int, columns: int) -> int:
        """How many eggs a box holds."""
        return rows * columns

    plan = '1. eggs_in(6, 7)\n2. arithmetic("$1 - 5")\n3. join()\n'
    done = await method(tiny, planner(plan), same, tools=[as_tool(eggs_in)]).attempt(eggs, epoch=0)
    assert done.facts["nodes"] == 2 and done.facts["failed_nodes"] == 0


async def test_a_budget_that_leaves_no_room_for_a_plan_is_no_infrastructure_failure(
    tiny: Benchmark, eggs: Problem, same: Equivalence
) -> None:
    done = await method(tiny, planner(PLAN), same, tokens=10).attempt(eggs, epoch=0)
    assert done.error is None and "budget" in done.facts["trouble"]


def test_the_span_of_requests_is_the_chain_that_sampled_most() -> None:
    calls = Calls(ScriptedChat(lambda _: ""))
    calls.made = [
        Call(started=0, finished=1, sampled=10),
        Call(started=1, finished=3, sampled=5),
        Call(started=1, finished=2, sampled=7),
        Call(started=2.5, finished=4, sampled=4),
        Call(started=3, finished=4, sampled=1),
    ]
    assert calls.span == 10 + 7 + 4
    assert calls.sampled == 27

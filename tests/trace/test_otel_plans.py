"""Live spans of samples and of agents' plans, as an exporter gets them: what they ask of models and tools lies below them."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.trace import StatusCode

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.traced import PlanSpans
from orchestra.chat.ladder import Ladder, Tier
from orchestra.chat.scripted import ScriptedChat
from orchestra.chat.traced import TracedChat
from orchestra.countdown import Problem, Setup
from orchestra.countdown.player import answer
from orchestra.countdown.source import CountdownSource
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.plan.node import ModelCall, Sample, SubPlan
from orchestra.plan.plan import Plan
from orchestra.sample.live import run_live
from orchestra.sample.policies.adaptive import adaptive, self_consistency
from orchestra.sample.traced import SampleSpans
from orchestra.schedule.execution import execute
from orchestra.schedule.runtime import Runtime
from orchestra.trace.otel import TracedEngine

from ..agent.mountains import JSON, PLAN, TOOLS, model
from ..sample.test_live import Lossy
from ..schedule.helpers import TOOLS as TOYS
from ..schedule.helpers import node
from .exported import Exported, agent_id, said


def test_traces_of_a_sample_have_spans_below_which_their_requests_lie(exported: Exported) -> None:
    tracing = exported.tracing
    engine = TracedEngine(ScriptedEngine(answer, seconds_per_token=0.01), tracing)
    with tracing.workflow("sample") as workflow:
        spans = SampleSpans(tracing, workflow)
        source = CountdownSource(engine, Problem((3, 5, 7, 11), 24), Setup(method="fork"))
        run_virtual(run_live(self_consistency(n=3), spans.source(source), session="s", observer=spans))
    (outer,) = exported.named("invoke_workflow")
    traces = exported.named("invoke_agent trace")
    assert sorted(agent_id(span) for span in traces) == ["0", "1", "2"] and all(exported.parent(span) is outer for span in traces)
    requests = exported.named("text_completion")
    assert all(exported.parent(span) in traces for span in requests) and len(requests) > 6
    assert [event.name for event in outer.events] == ["launch", "stop"]
    for span in traces:
        own = [each for each in requests if exported.parent(each) is span]
        assert sum(said(each, "gen_ai.usage.output_tokens") for each in own) == said(span, "orchestra.sampled_tokens")


def test_a_lost_trace_is_an_error_and_a_pruned_one_is_not(exported: Exported) -> None:
    with exported.tracing.workflow("sample") as workflow:
        spans = SampleSpans(exported.tracing, workflow)
        run_virtual(run_live(adaptive(n=5, m=3), spans.source(Lossy("fails", "7", "7", "7", "hangs")), observer=spans))
    found = {agent_id(span): (said(span, "orchestra.status"), span.status.status_code) for span in exported.named("invoke_agent")}
    assert found["0"] == ("failed", StatusCode.ERROR) and found["4"] == ("cancelled", StatusCode.UNSET)
    assert found["1"] == ("finished", StatusCode.UNSET)


def test_an_agent_s_plan_tools_and_joiner_lie_below_its_workflow_and_requests_below_them(exported: Exported) -> None:
    tracing = exported.tracing

    async def one(number: int) -> None:
        chat = TracedChat(model([PLAN], [{"thought": "known", "answer": "3805 m"}], seconds_per_token=0.01), tracing, model="m")
        with tracing.workflow(f"task {number}") as workflow:
            await Agent(chat, TOOLS, settings=Settings(planner=JSON)).run(f"How {number}?", observer=PlanSpans(tracing, workflow))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(one(number))

    run_virtual(main())
    for number in range(3):
        (outer,) = exported.named(f"invoke_workflow task {number}")
        own = [span for span in exported.all if span.context.trace_id == outer.context.trace_id]
        children = {span.name for span in own if exported.parent(span) is outer}
        assert children == {"plan", "execute_tool height", "execute_tool subtract", "invoke_agent joiner"}
        assert sorted(said(span, "gen_ai.tool.call.id") for span in own if span.name.startswith("execute_tool")) == ["1", "2", "3"]
        parents = [parent.name for span in own if span.name == "chat m" and (parent := exported.parent(span))]
        assert sorted(parents) == ["invoke_agent joiner", "plan"]
        assert said(outer, "orchestra.status") == "succeeded" and outer.status.status_code is StatusCode.UNSET


def test_model_calls_and_sub_plans_of_a_plan_nest(exported: Exported) -> None:
    tracing = exported.tracing
    models = Ladder([Tier(model=TracedChat(ScriptedChat(lambda request: "one"), tracing, model="small"))])
    inner = (ModelCall(id="a", prompt="Say one."), Sample(id="s", prompt="Say it.", n=2), node("b", seconds=1))
    with tracing.workflow("task") as workflow:
        observer = PlanSpans(tracing, workflow)
        plan = Plan(nodes=(SubPlan(id="1", nodes=inner, output=None),), output=None)
        result = run_virtual(execute(plan, Runtime(tools=TOYS, models=models, observer=observer)))
    assert result.status == "succeeded", result
    (sub,) = exported.named("invoke_workflow 1")
    (ask,) = exported.named("invoke_agent 1/a")
    (sample,) = exported.named("invoke_agent 1/s")
    (tool,) = exported.named("execute_tool wait")
    assert {id(exported.parent(each)) for each in (ask, sample, tool)} == {id(sub)}
    parents = [exported.parent(chat) for chat in exported.named("chat small")]
    assert parents.count(ask) == 1 and parents.count(sample) == 2 and len(parents) == 3


def test_a_failed_tool_is_an_error_with_the_words_of_its_outcome(exported: Exported) -> None:
    plan = PLAN.replace("Mont Blanc", "Nowhere")
    with exported.tracing.workflow("task") as workflow:
        agent = Agent(model([plan]), TOOLS, settings=Settings(planner=JSON, joiner=None))
        run_virtual(agent.run("How much?", observer=PlanSpans(exported.tracing, workflow)))
    failed = {span.name: span for span in exported.all if span.status.status_code is StatusCode.ERROR}
    assert failed.keys() == {"execute_tool height", "invoke_workflow task"}
    assert "Nowhere" in (failed["execute_tool height"].status.description or "")
    assert not exported.named("execute_tool subtract"), "it never ran"

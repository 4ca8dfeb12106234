"""A whole task: planner, scheduler and joiner, in virtual time with a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.events import AgentEvent, AgentFinished, AgentResult, Joined, PlanReady
from orchestra.agent.planner import TextPlanner
from orchestra.chat.base import ChatRequest
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.schedule.budget import Budget
from orchestra.schedule.events import NodeStarted
from orchestra.tools.function import tool

from .mountains import JSON, PLAN, TOOLS, calls, model, starts, work


def test_a_task_is_planned_run_and_answered() -> None:
    result, _ = work(model([PLAN], [{"thought": "known", "answer": "3805 m"}]))
    assert (result.answer, result.status, result.rounds) == ("3805 m", "succeeded", 0)
    assert result.result is not None and result.result.output == 3805
    assert result.usage.calls == 5  # planner, three tools, joiner


def test_without_a_joiner_the_output_is_the_answer() -> None:
    result, _ = work(model([PLAN]), joiner=None)
    assert result.answer == 3805 and result.usage.calls == 4


def test_nodes_start_at_the_end_of_their_line_while_the_plan_is_still_being_written() -> None:
    result, events = work(model([PLAN], seconds_per_token=0.1), joiner=None)
    lines = PLAN.splitlines(keepends=True)
    ends = [-(-len("".join(lines[: i + 1])) // 4) * 0.1 for i in range(4)]
    assert starts(events)["1"] == pytest.approx(ends[0], abs=0.1001)
    assert starts(events)["2"] == pytest.approx(ends[1], abs=0.1001)
    assert result.seconds is not None and starts(events)["3"] < ends[3] + 1


def test_a_dependent_starts_when_its_inputs_finish_and_not_when_the_next_line_comes() -> None:
    slow_line = '{"id": "4", "tool": "height", "args": {"mountain": "Eiger"}, "thought": "' + "x" * 400 + '"}\n'
    plan = PLAN.replace('{"output"', slow_line + '{"output"')
    _, events = work(model([plan], seconds_per_token=0.02), joiner=None)
    started = starts(events)
    assert started["3"] == pytest.approx(started["2"] + 1)
    assert started["4"] > started["3"] + 1


def test_the_text_of_llmcompiler_works_as_well() -> None:
    text = '1. height("K2")\n2. height(mountain="Eiger")\n3. subtract($1, $2)\n4. join($3)<END_OF_PLAN>'
    result, _ = work(model([text]), joiner=None, planner=partial(TextPlanner, format=LLMCompiler()))
    assert result.answer == 4644


def test_a_plan_that_cannot_run_goes_back_once_with_all_that_is_wrong() -> None:
    wrong = PLAN.replace('"subtract"', '"substract"').replace('"mountain": "Mont Blanc"', '"hill": "Mont Blanc"')
    chat = model([wrong, PLAN])
    result, events = work(chat, joiner=None)
    assert result.answer == 3805 and len(result.plan_texts) == 2
    complaint = chat.log[1].messages[-1].content
    assert "substract" in complaint and "subtract" in complaint and "hill" in complaint and "mountain" in complaint
    assert calls == ["K2", "Mont Blanc"]  # what had been started already was not called again
    assert any(isinstance(event, PlanReady) for event in events)


def test_what_cannot_be_repaired_is_dropped_and_the_rest_runs() -> None:
    wrong = PLAN.replace('{"output": "$3"}', '{"id": "4", "tool": "magic", "args": {}}\n{"output": ["$3", "$4"]}')
    result, events = work(model([wrong, wrong]), joiner=None)
    assert result.answer == [3805] and any("magic" in str(finding) for finding in result.findings)
    (ready,) = [event for event in events if isinstance(event, PlanReady)]
    assert ready.note


@pytest.mark.parametrize("text", ["I cannot help with that.", "", '{"id": "1"', "\x00" * 50, "{" * 5000])
def test_text_that_is_no_plan_is_a_clear_failure(text: str) -> None:
    result, _ = work(model([text, text]))
    assert result.status == "failed" and "no plan that can be run" in str(result.error) and calls == []


def test_an_effect_that_happens_once_waits_until_the_plan_is_whole() -> None:
    plan = '{"id": "1", "tool": "send", "args": {"text": "hello"}}\n{"id": "2", "tool": "nothing", "args": {}}\n{"output": "$1"}\n'
    good = plan.replace('{"id": "2", "tool": "nothing", "args": {}}\n', "").replace("hello", "good bye")
    result, _ = work(model([plan, good]), joiner=None)
    assert result.answer == "sent" and calls == ["send good bye"]


def test_a_dead_model_is_a_failure_that_says_so() -> None:
    chat = ScriptedChat(lambda _: EngineError("http://localhost:9 does not answer"))
    result, _ = work(chat)
    assert result.status == "failed" and "localhost:9 does not answer" in str(result.error)


def test_a_budget_too_small_to_start_says_so() -> None:
    result = run_virtual(Agent(model([PLAN]), TOOLS, settings=Settings(planner=JSON)).run("How high?", budget=Budget(tokens=100)))
    assert result.status == "failed" and "the budget of 100 tokens leaves no room" in str(result.error)


def test_a_budget_that_ends_in_the_middle_keeps_what_is_done() -> None:
    result = run_virtual(
        Agent(model([PLAN]), TOOLS, settings=Settings(planner=JSON, joiner=None)).run("How high?", budget=Budget(calls=2))
    )
    assert result.status == "partial" and result.result is not None
    assert result.result.outcomes["1"].value == 8611 and "2 calls" in str(result.error)


def test_closing_the_stream_cancels_everything() -> None:
    async def main() -> int:
        agent = Agent(model([PLAN], seconds_per_token=1), TOOLS, settings=Settings(planner=JSON))
        events: AsyncGenerator[AgentEvent] = agent.stream("How high?")
        async with aclosing(events):
            async for event in events:
                if isinstance(event, NodeStarted):
                    break
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1


def test_the_stream_ends_with_the_result() -> None:
    async def main() -> list[AgentEvent]:
        agent = Agent(model([PLAN], [{"thought": "", "answer": "3805"}]), TOOLS, settings=Settings(planner=JSON))
        return [event async for event in agent.stream("How high?")]

    events = run_virtual(main())
    assert isinstance(events[-1], AgentFinished) and events[-1].result.answer == "3805"
    assert any(isinstance(event, Joined) for event in events)


def test_an_empty_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="the task is empty"):
        run_virtual(Agent(model([]), TOOLS).run("  "))


def test_a_journal_makes_a_second_run_cost_nothing(tmp_path: Path) -> None:
    def once() -> tuple[AgentResult, ScriptedChat]:
        chat = model([PLAN], [{"thought": "", "answer": "3805"}])
        return run_virtual(Agent(chat, TOOLS, settings=Settings(planner=JSON)).run("How high?", journal=tmp_path / "j.db")), chat

    first, _ = once()
    second, chat = once()
    assert second.answer == first.answer == "3805" and chat.log == [] and calls == ["K2", "Mont Blanc"]


def test_of_many_tools_the_planner_sees_those_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(index: int) -> Callable[..., Any]:
        async def other(text: str) -> str:
            """Something about invoices."""
            return text

        return tool(other, name=f"invoice_{index}")

    chat = model([PLAN])
    agent = Agent(chat, [*TOOLS, *(make(i) for i in range(200))], settings=Settings(planner=JSON, joiner=None, shortlist=10))
    result = run_virtual(agent.run("By how many metres does the height of one mountain exceed another? Subtract."))
    assert result.answer == 3805
    assert chat.log[0].messages[0].content.count("- invoice_") <= 8 and "- height(" in chat.log[0].messages[0].content


def test_results_are_kept_when_the_planner_dies_in_mid_stream() -> None:
    class Dying(ScriptedChat):
        async def reply(self, request: ChatRequest) -> Any:
            assert request.on_text is not None
            request.on_text(PLAN.splitlines(keepends=True)[0])
            await asyncio.sleep(5)
            raise EngineError("the stream ended in the middle")

    result, _ = work(Dying(lambda _: ""))
    assert result.status == "partial" and "the stream ended" in str(result.error)
    assert result.result is not None and result.result.outcomes["1"].value == 8611


def test_the_seconds_of_a_budget_bound_the_planner_too() -> None:
    agent = Agent(model([PLAN], seconds_per_token=10), TOOLS, settings=Settings(planner=JSON))
    result = run_virtual(agent.run("How high?", budget=Budget(seconds=300)))
    assert result.status == "partial" and "seconds were over" in str(result.error) and result.seconds == pytest.approx(300)
    assert result.result is not None and result.result.outcomes["1"].value == 8611

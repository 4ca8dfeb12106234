"""What the model is scripted to say: valid plans, calls with what the tools returned, and nothing about questions it does not know."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.benchmarks.agents import asked, script
from orchestra.evals.benchmarks.agents.question import Question
from orchestra.evals.benchmarks.agents.tools import tools_for

from orchestra.chat.scripted import ScriptedChat
from orchestra.plan.finding import errors
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.node import ToolCall
from orchestra.plan.verify import verify

from .made_questions import taken_apart
from .scripted_server import RATES


@given(st.text())
def test_tokens_make_up_their_text(text: str) -> None:
    assert "".join(script.tokens(text)) == text


@pytest.mark.parametrize("format", [LLMCompiler(), JsonLines()], ids=lambda format: format.name)
def test_plans_are_valid_and_hold_the_steps(questions: list[Question], format: LLMCompiler | JsonLines) -> None:
    for question in questions:
        specs = tools_for(question, RATES, ScriptedChat(lambda request: "")).specs
        (name,) = [name for name in get_args(script.PlanFormat) if name == format.name]
        parsed = format.parse(script.plan(question, name), specs)
        assert not errors([*parsed.findings, *verify(parsed.plan, specs)])
        calls = [node for node in parsed.plan.nodes if isinstance(node, ToolCall)]
        assert [call.tool for call in calls] == [step.tool for step in question.steps]
        assert [sorted(map(int, call.waits_for)) for call in calls] == [sorted(set(step.needs)) for step in question.steps]


def test_the_model_computes_with_what_the_tools_returned() -> None:
    question = taken_apart("If K2 were 10% taller and Mount Everest 20% shorter, which mountain is the tallest?", "K2")
    outputs: list[Any] = [{"value": 1}, {"value": 10}]
    assert "math[1 * 1.1]" in script.react(question, outputs)
    assert script.native(question, outputs) == [("math", '{"expression": "1 * 1.1"}'), ("math", '{"expression": "10 * 0.8"}')]
    assert json.loads(script.joined(question, [*outputs, 1.1, 8.0]))["answer"] == "Mount Everest"


def test_a_joiner_without_all_results_is_not_in_the_script(questions: list[Question]) -> None:
    user = f"Task: {questions[0].text}\n1. search\n   succeeded: " + json.dumps({"entity": "Alien"})
    with pytest.raises(asked.NotInTheScript, match="not every film was looked up"):
        asked.answer({"model": "llmcompiler", "messages": [{"role": "user", "content": user}]}, {questions[0].text: questions[0]})


@pytest.mark.parametrize("model", ["llmcompiler", "react", "native", "nobody"])
def test_a_question_that_is_not_known_is_not_in_the_script(model: str) -> None:
    with pytest.raises(asked.NotInTheScript):
        asked.answer({"model": model, "messages": [{"role": "user", "content": "Task: Why?"}]}, {})

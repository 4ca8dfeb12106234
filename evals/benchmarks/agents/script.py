"""What the model writes, word for word: one function for each way of asking it. Every number and answer comes from the outputs that it was shown.

Replies are cut into tokens by a rule that is close to GPT's pre-tokeniser, with long words in two; no real vocabulary is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from .question import Question, Step

PlanFormat = Literal["llmcompiler", "json-lines"]

_TOKEN = re.compile(r" ?[^\W\d_]{1,7}| ?\d{1,3}|[^\S\n]*[^\w\s]{1,3}\n?| ?_|\s+")
"""Up to 7 letters of a word, 3 digits, 3 signs with the line's end, or space."""


def tokens(text: str) -> list[str]:
    """Pieces that make up `text`."""
    pieces = _TOKEN.findall(text)
    assert "".join(pieces) == text, f"no token for a character of {text!r}"
    return pieces


def plan(question: Question, format: PlanFormat) -> str:
    """All steps at once, in the format's notation of references."""
    lines = [
        _line(place, step, step.filled(lambda need: _reference(question, need)), format)
        for place, step in enumerate(question.steps, start=1)
    ]
    last = f"{len(lines) + 1}. join()" if format == "llmcompiler" else '{"output": null}'
    return "\n".join([*lines, last]) + "\n"


def joined(question: Question, outputs: Sequence[Any]) -> str:
    return json.dumps({"thought": _reason(question), "answer": question.answer_from(outputs)}, ensure_ascii=False)


def react(question: Question, outputs: Sequence[Any]) -> str:
    """The next thought and action after as many observations as there are outputs."""
    if len(outputs) == len(question.steps):
        return f"Thought: {_reason(question)}\nAction: Finish[{question.answer_from(outputs)}]"
    step = question.steps[len(outputs)]
    action = f"Action: {step.tool}[{question.expression(len(outputs) + 1, outputs)}]"
    if step.tool == "math":
        return f"Thought: With what I have found so far I can compute the next value.\n{action}"
    why = "to compare it with the others" if question.kind == "movie" else "before I can compute anything"
    return f"Thought: I need to find out about {step.argument} {why}.\n{action}"


def native(question: Question, outputs: Sequence[Any]) -> str | Sequence[tuple[str, str]]:
    """The tool calls (name, arguments) that can run now, all at once; the answer in words when none is left."""
    done = len(outputs)
    if done == len(question.steps):
        return f"{_reason(question)}\nAnswer: {question.answer_from(outputs)}"
    depths = question.depths
    calls: list[tuple[str, str]] = []
    for place, step in enumerate(question.steps, start=1):
        if place > done and depths[place - 1] == depths[done]:
            argument = question.expression(place, outputs)
            calls.append((step.tool, json.dumps({_parameter(step): argument}, ensure_ascii=False)))
    return calls


def call_tokens(name: str, arguments: str) -> tuple[list[str], list[str]]:
    """Tokens of a native call before its arguments, and of these with the closing brace: JSON, as models with such calls decode it."""
    return tokens(f'{{"name": "{name}", "arguments": '), tokens(arguments + "}")


def formula(expression: str) -> str:
    """What a model that is asked for an expression writes."""
    return json.dumps({"expression": expression})


def _line(place: int, step: Step, argument: str, format: PlanFormat) -> str:
    if format == "llmcompiler":
        return f"{place}. {step.tool}({json.dumps(argument, ensure_ascii=False)})"
    line = {"id": str(place), "tool": step.tool, "args": {_parameter(step): argument}}
    return json.dumps(line, ensure_ascii=False)


def _reference(question: Question, need: int) -> str:
    return f"${{{need}.value}}" if question.steps[need - 1].tool == "search" else f"${{{need}}}"


def _parameter(step: Step) -> str:
    return "entity" if step.tool == "search" else "expression"


def _reason(question: Question) -> str:
    if question.kind == "movie":
        return (
            "The four films that are liked are well known, rely on strong characters and mix suspense with drama. Of the four options one"
            " shares their period, their audience and their tone, and the other three do not, so I choose that one."
        )
    return (
        "The values have been looked up and changed as the question says, and the last step compares them, so the answer follows."
    )

"""How long each mode takes when nothing costs anything but what is simulated: its lower bound, by arithmetic."""

from __future__ import annotations

from itertools import accumulate

from . import script
from .question import Question, outputs_of
from .script import PlanFormat, call_tokens, formula, tokens
from .tools import MATH_S, Rates, search_s


def step_s(question: Question, rates: Rates) -> list[float]:
    """Of each step's tool call."""
    outputs = outputs_of(question)
    seconds = []
    for place, step in enumerate(question.steps, start=1):
        argument = question.expression(place, outputs)
        if step.tool == "search":
            seconds.append(search_s(question, argument))
        else:
            asked = rates.reply_s(len(tokens(formula(argument)))) if rates.math_by_model else 0.0
            seconds.append(asked + MATH_S)
    return seconds


def react_s(question: Question, rates: Rates) -> float:
    """Every reply and every call, one after another."""
    outputs = outputs_of(question)
    replies = [script.react(question, outputs[:done]) for done in range(len(outputs) + 1)]
    return rates.time_scale * (sum(rates.reply_s(len(tokens(reply))) for reply in replies) + sum(step_s(question, rates)))


def native_s(question: Question, rates: Rates) -> float:
    """A turn's reply, then the slowest of its calls, turn after turn."""
    outputs, seconds = outputs_of(question), step_s(question, rates)
    total, done = 0.0, 0
    while not isinstance(reply := script.native(question, outputs[:done]), str):
        total += rates.reply_s(sum(len(piece) for call in reply for piece in call_tokens(*call)))
        total += max(seconds[done : done + len(reply)])
        done += len(reply)
    return rates.time_scale * (total + rates.reply_s(len(tokens(reply))))


def plan_s(question: Question, rates: Rates, format: PlanFormat, *, streamed: bool) -> float:
    """The critical path: each call starts when its line is written (streamed) or the plan is whole, and its inputs are there; the joiner
    when all calls are done and the plan is whole."""
    text = script.plan(question, format)
    whole = rates.reply_s(len(tokens(text)))
    known = _line_s(text, rates, format) if streamed else [whole] * len(question.steps)
    ends: list[float] = []
    for place, seconds in enumerate(step_s(question, rates)):
        inputs = [ends[need - 1] for need in question.steps[place].needs]
        ends.append(max([known[place], *inputs]) + seconds)
    answer = script.joined(question, outputs_of(question))
    return rates.time_scale * (max(whole, *ends) + rates.reply_s(len(tokens(answer))))


def _line_s(text: str, rates: Rates, format: PlanFormat) -> list[float]:
    """When the token comes that completes each line: the one with its end, in JSON its last brace."""
    ends = list(accumulate(len(token) for token in tokens(text)))
    lines = text.splitlines(keepends=True)
    characters = accumulate(len(line) for line in lines)
    closing = [end if format == "llmcompiler" else end - 1 for end in characters]
    return [rates.reply_s(next(place for place, end in enumerate(ends, start=1) if end >= close)) for close in closing]


def computed_s(question: Question, rates: Rates, mode: str) -> float:
    """By the mode's name in `modes.MODES`."""
    match mode:
        case "react":
            return react_s(question, rates)
        case "native":
            return native_s(question, rates)
        case _:
            format: PlanFormat = "json-lines" if mode == "plan, JSON lines" else "llmcompiler"
            return plan_s(question, rates, format, streamed=mode != "plan first")

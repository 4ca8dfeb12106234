"""What a request asks of the scripted model: which question, in which mode, after which outputs. All of it is read from the messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from . import script
from .question import Question
from .script import PlanFormat

OBSERVATION = "Observation: "
"""Begins what ReAct is shown of a call."""
RESULTS = "Results: "
"""Begins what a model with native calls is shown of a turn's calls, as a JSON list: the chat seam has no role for tools."""
EXPRESSION = "Expression: "

_SUCCEEDED = re.compile(r"^ *succeeded: (.*)$", re.MULTILINE)


class NotInTheScript(Exception):
    """The message says which part of the request."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Native tool calls: name and arguments."""

    calls: Sequence[tuple[str, str]]


def answer(request: Mapping[str, Any], questions: Mapping[str, Question]) -> str | Calls:
    """The model's reply. `request` is the body, whose `model` names the mode; `questions` go by their text.

    Raises `NotInTheScript`.
    """
    try:
        mode = request["model"]
        users = [message["content"] for message in request["messages"] if message["role"] == "user"]
        if mode == "calculator":
            return script.formula(users[0].removeprefix(EXPRESSION))
        if mode in get_args(PlanFormat):
            return _planned(users[0], mode, questions)
        question = questions[users[0].strip()]
        if mode == "react":
            return script.react(question, [json.loads(text.removeprefix(OBSERVATION)) for text in users[1:]])
        if mode == "native":
            outputs = [output for text in users[1:] for output in json.loads(text.removeprefix(RESULTS))]
            reply = script.native(question, outputs)
            return reply if isinstance(reply, str) else Calls(reply)
    except (LookupError, TypeError, ValueError) as error:
        raise NotInTheScript(f"{type(error).__name__}: {error} ({str(request)[:500]})") from error
    raise NotInTheScript(f"no mode is called {mode!r}")


def _planned(user: str, format: PlanFormat, questions: Mapping[str, Question]) -> str:
    """A planner is given the task alone; a joiner also the calls with their outputs."""
    task = user.removeprefix("Task: ")
    if (question := questions.get(task.strip())) is not None:
        return script.plan(question, format)
    question = next((question for text, question in questions.items() if task.startswith(text)), None)
    if question is None:
        raise LookupError(task[:200])
    return script.joined(question, [json.loads(found) for found in _SUCCEEDED.findall(task)])

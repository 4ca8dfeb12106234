"""What a joiner decides, and how it is read from a model's text.

Two forms are understood: one JSON object (`{"answer": …}` or `{"patch": […]}`), and LLMCompiler's `Action: Finish(…)` / `Action: Replan(…)`. In
the latter the argument reaches to the last parenthesis of its line, so that `Finish(First for Women (magazine))` keeps its own, and
only the name of the action decides: an answer may contain the word "Replan".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from ..plan.patch import Patch


@dataclass(frozen=True, slots=True)
class Finish:
    """The task is done."""

    answer: Any
    thought: str = ""


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """More has to be done first."""

    patch: Patch
    thought: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Neither; `why` is in words that the model can act on."""

    why: str


Decision: TypeAlias = Finish | ChangePlan

_ACTION = re.compile(r"^[ \t]*Action:[ \t]*(\w+)[ \t]*\(", re.MULTILINE)
_THOUGHT = re.compile(r"^[ \t]*Thought:[ \t]*(.*)$", re.MULTILINE)


def read_decision(text: str) -> Finish | ChangePlan | Unreadable:
    """Never raises, whatever `text` is."""
    found = _last_object(text)
    if found is not None:
        return _of_object(found)
    return _of_action(text)


def _of_object(found: dict[str, Any]) -> Finish | ChangePlan | Unreadable:
    thought = str(found.get("thought", ""))
    if ("answer" in found) == ("patch" in found):
        return Unreadable('write either {"thought": …, "answer": …} or {"thought": …, "patch": […]}, with exactly one of the two')
    if "answer" in found:
        return Finish(found["answer"], thought)
    try:
        return ChangePlan(Patch.model_validate({"operations": _spelled_out(found["patch"]), "reason": thought}), thought)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:10])
        return Unreadable(f"the patch cannot be read ({problems})")


def _spelled_out(operations: Any) -> Any:
    """Operations with the short form of calls, as planners write it, made long."""
    if not isinstance(operations, list):
        return operations
    return [
        {**operation, "node": _call(operation["node"])}
        if isinstance(operation, dict) and isinstance(operation.get("node"), dict)
        else operation
        for operation in operations
    ]


def _call(node: dict[str, Any]) -> dict[str, Any]:
    if "kind" in node or "tool" not in node:
        return node
    names = {"args": "arguments", "after": "depends_on"}
    return {"kind": "tool", **{names.get(name, name): value for name, value in node.items()}}


def _of_action(text: str) -> Finish | ChangePlan | Unreadable:
    actions = list(_ACTION.finditer(text))
    if not actions:
        return Unreadable('there is no decision in this: write {"thought": …, "answer": …}')
    action = actions[-1]
    rest = text[action.end() :]
    line, _, _ = rest.partition("\n")
    # An answer may span lines; then its parenthesis closes at the end of the text.
    argument = line.rstrip() if line.rstrip().endswith(")") else rest.rstrip()
    argument = argument.removesuffix(")").strip()
    thoughts = _THOUGHT.findall(text[: action.start()])
    thought = thoughts[-1].strip() if thoughts else ""
    match action[1].lower():
        case "finish":
            return Finish(argument, thought)
        case "replan":
            return Unreadable(
                f"to do more, write a patch of the plan that adds what is missing ({argument or thought or 'nothing was said'})"
            )
    return Unreadable(f"unknown action {action[1]!r}: write Finish(answer), or a JSON object")


def _last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object at the top level of `text`, whatever stands around it."""
    decoder = json.JSONDecoder()
    found: dict[str, Any] | None = None
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            # Not from every brace again: a long text of braces would take quadratic time.
            at = text.find("\n{", at + 1)
            at = at + 1 if at >= 0 else -1
            continue
        if isinstance(value, dict):
            found = value
        at = text.find("{", end)
    return found

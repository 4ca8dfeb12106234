"""Writes plans as the text that `llmcompiler` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ...errors import PlanError
from ..node import Node
from ..plan import Plan
from ..ref import Value
from . import dollar_refs

_NUMBER = re.compile(r"[0-9]{1,9}")
_TOOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WRITTEN = {"id", "kind", "tool", "arguments", "thought"}


def write_plan(plan: Plan) -> str:
    """`plan` as numbered calls with named arguments. Raises `PlanError` with everything that cannot be written."""
    problems = [problem for node in plan.nodes for problem in _problems(node)]
    if plan.goal or plan.version != 1:
        problems.append("a plan's goal and version")
    if problems:
        raise PlanError(f"LLMCompiler's text cannot hold {'; '.join(problems)}: write JSON lines or a document")
    lines = []
    for node in plan.nodes:
        assert node.kind == "tool"
        if node.thought:
            lines.append(f"Thought: {node.thought}")
        lines.append(f"{node.id}. {node.tool}({', '.join(_argument(*item) for item in node.arguments.items())})")
    number = max((int(node.id) for node in plan.nodes), default=0) + 1
    lines.append(f"{number}. join({'' if plan.output is None else _literal(plan.output)})")
    return "\n".join(lines) + "\n"


def _problems(node: Node) -> Iterator[str]:
    if node.kind != "tool":
        yield f"node {node.id}, which is no tool call but of the kind {node.kind}"
        return
    if not _NUMBER.fullmatch(node.id):
        yield f"the id {node.id!r}, which is no number"
    if not _TOOL.fullmatch(node.tool) or node.tool == "join":
        yield f"the tool name {node.tool!r}"
    if node.thought != " ".join(node.thought.split()):
        yield f"the thought of node {node.id}, which has line breaks or spaces around it"
    places = [str(index) for index in range(len(node.arguments))]
    if list(node.arguments) != places and (wrong := [name for name in node.arguments if not _NAME.fullmatch(name)]):
        yield f"the argument name {wrong[0]!r} of node {node.id}"
    if rest := node.model_dump(exclude_defaults=True).keys() - _WRITTEN:
        yield f"{', '.join(sorted(rest))} of node {node.id}"


def _argument(name: str, value: Value) -> str:
    return _literal(value) if name.isdecimal() else f"{name}={_literal(value)}"


def _literal(value: Value) -> str:
    """JSON, which is among what the format's arguments may be."""
    return json.dumps(dollar_refs.write(value), ensure_ascii=False)

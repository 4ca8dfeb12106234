"""LLMCompiler's text, read for the tests of its format."""

from __future__ import annotations

from typing import Any

from plan_texts import TOOLS

from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.node import Node, ToolCall


def parse(text: str, *known: str) -> Parsed:
    return LLMCompiler(known).parse(text, TOOLS)


def given(node: Node) -> dict[str, Any]:
    assert isinstance(node, ToolCall)
    return node.arguments


def told(parsed: Parsed) -> list[str]:
    return [f"{finding.severity} {finding.code}" for finding in parsed.findings]

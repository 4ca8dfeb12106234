"""Calls that remember that they were made, and runs of them with a journal. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestra.engine.virtual import run_virtual
from orchestra.plan.node import Effect, Node, ToolCall
from orchestra.plan.plan import Plan
from orchestra.schedule.execution import execute
from orchestra.schedule.journal import Journal
from orchestra.schedule.outcome import Result
from orchestra.schedule.runtime import Runtime
from orchestra.tools.context import idempotency_key
from orchestra.tools.tool import ToolSet

from .helpers import tool


class Calls:
    """Tools "pure", "idempotent" and "once" that return what they are given and remember it; `fails` makes one raise."""

    def __init__(self, fails: type[Exception] | None = None) -> None:
        self.made: list[tuple[str, Any]] = []
        self.keys: list[str | None] = []
        self._fails = fails
        effects: tuple[Effect, ...] = ("pure", "idempotent", "once")
        self.tools = ToolSet([tool(effect, self._call(effect), effect=effect) for effect in effects])

    def _call(self, effect: Effect) -> Callable[[Mapping[str, Any]], Any]:
        async def call(arguments: Mapping[str, Any]) -> Any:
            self.made.append((effect, arguments.get("x")))
            self.keys.append(idempotency_key.get())
            await asyncio.sleep(arguments.get("seconds", 0))
            if self._fails is not None:
                raise self._fails("no luck")
            return arguments.get("x")

        return call


def call(id: str, effect: Effect = "idempotent", x: Any = None, **fields: Any) -> ToolCall:
    return ToolCall(id=id, tool=effect, arguments={"x": x}, **fields)


def resume(path: Path, tools: ToolSet, *nodes: Node, output: Any = None, run: str = "r", **runtime: Any) -> Result:
    with Journal(path, run=run) as journal:
        return run_virtual(execute(Plan(nodes=nodes, output=output), Runtime(tools=tools, journal=journal, **runtime)))

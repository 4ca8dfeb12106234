"""Plans and tools that several tests of the scheduler use. Time is virtual (`run_virtual`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from orchestra.engine.virtual import run_virtual
from orchestra.plan.node import Effect, Node, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.tool_spec import ToolSpec
from orchestra.schedule.events import RunEvent
from orchestra.schedule.execution import execute
from orchestra.schedule.outcome import Result
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import Tool, ToolSet

Call = Callable[[Mapping[str, Any]], Awaitable[Any]]


def tool(name: str, call: Call, *, effect: Effect = "idempotent", **fields: Any) -> Tool:
    return Tool(spec=ToolSpec(name=name, effect=effect), call=call, **fields)


async def wait(arguments: Mapping[str, Any]) -> Any:
    """Takes `seconds` and returns `value`."""
    await asyncio.sleep(arguments.get("seconds", 0))
    return arguments.get("value")


async def fail(arguments: Mapping[str, Any]) -> Any:
    await asyncio.sleep(arguments.get("seconds", 0))
    raise ValueError(arguments.get("message", "no luck"))


WAIT, FAIL = tool("wait", wait), tool("fail", fail)
TOOLS = ToolSet([WAIT, FAIL])


def node(id: str, *after: str, seconds: float = 0, value: Any = None, **fields: Any) -> ToolCall:
    """Waits for `after`, then takes `seconds` and returns `value`."""
    return ToolCall(id=id, tool="wait", arguments={"seconds": seconds, "value": value}, depends_on=after, **fields)


def failing(id: str, *after: str, seconds: float = 0, **fields: Any) -> ToolCall:
    return ToolCall(id=id, tool="fail", arguments={"seconds": seconds}, depends_on=after, **fields)


def run(*nodes: Node, output: Any = None, runtime: Runtime | None = None) -> Result:
    """Run a plan in virtual time."""
    return run_virtual(execute(Plan(nodes=nodes, output=output), runtime or Runtime(tools=TOOLS)))


def times(result: Result) -> dict[str, tuple[float | None, float]]:
    """Start and end of each node, in virtual seconds."""
    return {id: (outcome.started, round(outcome.finished, 6)) for id, outcome in result.outcomes.items()}


def kinds(events: list[RunEvent]) -> list[str]:
    return [type(event).__name__ for event in events]

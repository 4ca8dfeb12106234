"""A question about mountains: tools that look them up, the plan that answers it, and a scripted model that writes plans and decisions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.events import AgentEvent, AgentResult
from orchestra.agent.planner import TextPlanner
from orchestra.chat.base import ChatRequest
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.schedule.events import NodeStarted
from orchestra.tools.function import tool

HEIGHTS = {"K2": 8611, "Mont Blanc": 4806, "Eiger": 3967}
calls: list[str] = []


@tool
async def height(mountain: str) -> int:
    """Height in metres."""
    calls.append(mountain)
    await asyncio.sleep(1)
    return HEIGHTS[mountain]


@tool(effect="pure")
async def subtract(a: float, b: float) -> float:
    """a - b."""
    return a - b


@tool(effect="once")
async def send(text: str) -> str:
    """Sends a message."""
    calls.append(f"send {text}")
    return "sent"


JSON = partial(TextPlanner, format=JsonLines())
TOOLS = (height, subtract, send)
PLAN = """\
{"id": "1", "tool": "height", "args": {"mountain": "K2"}}
{"id": "2", "tool": "height", "args": {"mountain": "Mont Blanc"}}
{"id": "3", "tool": "subtract", "args": {"a": "$1", "b": "$2"}}
{"output": "$3"}
"""


def model(plans: Sequence[str], decisions: Sequence[Any] = (), *, seconds_per_token: float = 0.0) -> ScriptedChat:
    """Writes `plans` when it is asked for plans, `decisions` when it is asked to join, one after the other."""
    remaining = {"plan": list(plans), "join": [d if isinstance(d, str) else json.dumps(d) for d in decisions]}

    def answer(request: ChatRequest) -> str:
        return remaining["plan" if request.messages[0].content.startswith("You plan") else "join"].pop(0)

    return ScriptedChat(answer, seconds_per_token=seconds_per_token)


def work(chat: ScriptedChat, *, tools: Sequence[Any] = TOOLS, **settings: Any) -> tuple[AgentResult, list[AgentEvent]]:
    events: list[AgentEvent] = []
    agent = Agent(chat, tools, settings=Settings(**{"planner": JSON} | settings))
    return run_virtual(agent.run("How much higher?", observer=events.append)), events


def starts(events: Sequence[AgentEvent]) -> dict[str, float]:
    return {event.id: event.at for event in events if isinstance(event, NodeStarted)}

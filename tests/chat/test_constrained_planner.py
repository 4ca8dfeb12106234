"""A plan decoded by a real model on a real vLLM, held to the plan's grammar and run while it is being written.

The model has random weights: what its plans say means nothing, but every one must be a plan that runs to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.events import AgentEvent, AgentResult, PlanReady
from orchestra.agent.joiner import ModelJoiner
from orchestra.agent.planner import TextPlanner
from orchestra.chat.base import ChatModel
from orchestra.chat.engine_chat import EngineChat
from orchestra.chat.http_chat import HttpChat
from orchestra.engine import Engine
from orchestra.plan.finding import errors
from orchestra.plan.formats.base import PlanFormat
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.structure import Shape
from orchestra.plan.verify import verify
from orchestra.schedule.events import NodeStarted
from orchestra.tools.function import tool

pytestmark = [pytest.mark.anyio, pytest.mark.vllm]


@tool
async def search(query: str) -> str:
    """Finds text."""
    return f"about {query}"


@tool
async def add(a: float, b: float) -> float:
    """a + b."""
    return a + b


TOOLS = (search, add)


async def plans(model: ChatModel, format: PlanFormat, count: int = 8) -> list[tuple[AgentResult, list[AgentEvent]]]:
    planner = partial(TextPlanner, format=format, constrained=True, max_text=16, max_tokens=1200, temperature=1.0)
    agent = Agent(model, TOOLS, settings=Settings(planner=planner, joiner=None, shape=Shape(max_nodes=5)))

    async def one(number: int) -> tuple[AgentResult, list[AgentEvent]]:
        events: list[AgentEvent] = []
        return await agent.run(f"Task {number}.", observer=events.append), events

    return await asyncio.gather(*(one(number) for number in range(count)))


def check(made: Sequence[tuple[AgentResult, list[AgentEvent]]]) -> None:
    specs = {each.name: each.spec for each in TOOLS}
    early = 0
    for result, events in made:
        assert result.status in ("succeeded", "partial"), result.error
        assert result.result is not None and not errors(verify(result.result.plan, specs))
        # A plan that was mended may have begun with nodes that it has no more.
        assert {node.id for node in result.result.plan.nodes} <= set(result.result.outcomes)
        kinds = [type(event) for event in events]
        early += NodeStarted in kinds and kinds.index(NodeStarted) < kinds.index(PlanReady)
    assert early == len(made)  # each began before its plan was whole


@pytest.mark.parametrize("format", [JsonLines(), LLMCompiler()], ids=lambda format: format.name)
async def test_every_plan_that_is_decoded_under_its_grammar_runs(vllm_engine: Engine, model: Path, format: PlanFormat) -> None:
    check(await plans(EngineChat(vllm_engine, model), format))


async def test_the_same_over_a_server(server: str) -> None:
    async with HttpChat(server) as chat:
        check(await plans(chat, JsonLines(), count=4))


async def test_a_joiner_under_its_schema_always_decides(vllm_engine: Engine, model: Path) -> None:
    chat = EngineChat(vllm_engine, model)
    settings = Settings(
        planner=partial(TextPlanner, constrained=True, max_text=8, max_tokens=600, temperature=1.0),
        joiner=partial(ModelJoiner, constrained=True, max_tokens=300, temperature=1.0),
        max_rounds=0,
        shape=Shape(max_nodes=3),
    )
    result = await Agent(chat, TOOLS, settings=settings).run("Add two numbers.")
    assert result.result is not None and len(result.result.outcomes) <= 3
    assert result.status == "succeeded" or result.error

"""The modes that are compared: loops over a chat model and tools, each as its users would write it.

react            one thought and action a turn; each waits for the observation before (Yao et al. 2022)
native           OpenAI's parallel tool calls: all calls of a turn at once, then the next turn
plan             an `Agent` with a streaming planner and a model as joiner; the plan in LLMCompiler's text
plan, JSON lines the same with the library's default format
plan first       as `plan`, but nothing starts before the plan is whole
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from orchestra.agent.agent import Agent, Settings
from orchestra.agent.planner import Brief, Planned, Planner, TextPlanner
from orchestra.chat.base import ChatModel, ChatRequest, Message, Reply, ToolUse
from orchestra.chat.http_chat import HttpChat
from orchestra.errors import EngineError
from orchestra.plan.formats.base import PlanFormat
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.tools.tool import Tool, ToolSet

from .asked import OBSERVATION, RESULTS
from .question import Question
from .tools import Rates, tools_for

_ACTION = re.compile(r"^Action: (\w+)\[(.*)\]$", re.MULTILINE)
_ANSWER = re.compile(r"^Answer: (.*)$", re.MULTILINE)
_REACT = """Answer the question. Each turn write one thought and one action, on a line each:
Thought: what you know and what you need
Action: tool[argument], or Finish[answer]

Tools:
{tools}"""
_NATIVE = "Answer the question with the tools. Call all that do not depend on each other at once. End with a line `Answer: …`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One question in one mode."""

    answer: str
    seconds: float
    turns: int
    """Requests to the model; those of the math tool are not among them."""
    sampled_tokens: int
    calls: int
    """Of tools."""


class Counted:
    """A model whose replies are counted."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self.turns = 0
        self.sampled_tokens = 0

    @property
    def name(self) -> str:
        return self._model.name

    async def reply(self, request: ChatRequest) -> Reply:
        reply = await self._model.reply(request)
        self.turns += 1
        self.sampled_tokens += reply.sampled_tokens or 0
        return reply

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


async def react(task: str, model: ChatModel, tools: ToolSet) -> str:
    described = "\n".join(f"- {tool.name}[{_parameter(tool)}]: {tool.spec.description}" for tool in tools.values())
    messages = [Message("system", _REACT.format(tools=described)), Message("user", task)]
    while True:
        text = (await model.reply(ChatRequest(messages=messages, max_tokens=512, stop=(f"\n{OBSERVATION.strip()}",)))).text
        action = _ACTION.search(text)
        if action is None:
            raise EngineError(f"the model wrote no action: {text!r}")
        if action[1] == "Finish":
            return action[2]
        tool = tools[action[1]]
        output = await tool.call({_parameter(tool): action[2]})
        messages += [Message("assistant", text), Message("user", OBSERVATION + json.dumps(output, ensure_ascii=False))]


async def native(task: str, model: ChatModel, tools: ToolSet) -> str:
    offered = [_offered(tool) for tool in tools.values()]
    messages = [Message("system", _NATIVE), Message("user", task)]
    while True:
        reply = await model.reply(ChatRequest(messages=messages, max_tokens=2048, tools=offered))
        if not reply.tool_uses:
            found = _ANSWER.search(reply.text)
            return found[1] if found else reply.text
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(_call(tools, use)) for use in reply.tool_uses]
        results = json.dumps([call.result() for call in calls], ensure_ascii=False)
        messages += [Message("assistant", _shown(reply.tool_uses)), Message("user", RESULTS + results)]


async def plan(task: str, model: ChatModel, tools: ToolSet, *, format: type[LLMCompiler | JsonLines], streamed: bool = True) -> str:
    planner = TextPlanner if streamed else _WholePlan
    settings = Settings(planner=partial(planner, format=format()))
    result = await Agent(model, list(tools.values()), settings=settings).run(task)
    if result.status != "succeeded":
        raise EngineError(f"the agent {result.status}: {result.error}")
    return str(result.answer)


class _WholePlan:
    """A planner whose nodes start when the plan is whole."""

    def __init__(self, model: ChatModel, *, format: PlanFormat) -> None:
        self._planner: Planner = TextPlanner(model, format=format)

    async def plan(self, brief: Brief) -> Planned:
        return await self._planner.plan(replace(brief, start=None))


@dataclass(frozen=True, slots=True)
class Mode:
    model: str
    """As the server calls it."""
    work: Callable[[str, ChatModel, ToolSet], Awaitable[str]]


MODES = {
    "react": Mode("react", react),
    "native": Mode("native", native),
    "plan": Mode("llmcompiler", partial(plan, format=LLMCompiler)),
    "plan, JSON lines": Mode("json-lines", partial(plan, format=JsonLines)),
    "plan first": Mode("llmcompiler", partial(plan, format=LLMCompiler, streamed=False)),
}


class Runner:
    """Runs questions against the server at `url`. Entered, it keeps its connections."""

    def __init__(self, url: str, rates: Rates) -> None:
        names = {mode.model for mode in MODES.values()} | {"calculator"}
        self._chats = {name: HttpChat(url, name) for name in names}
        self._rates = rates
        self._open = AsyncExitStack()

    async def run(self, question: Question, mode: str) -> Run:
        """Raises `EngineError` when the mode fails."""
        model = Counted(self._chats[MODES[mode].model])
        calls = 0

        def counted(tool: Tool) -> Tool:
            async def call(arguments: Any) -> Any:
                nonlocal calls
                calls += 1
                return await tool.call(arguments)

            return Tool(spec=tool.spec, call=call)

        tools = ToolSet(map(counted, tools_for(question, self._rates, self._chats["calculator"]).values()))
        now = asyncio.get_running_loop().time
        started = now()
        answer = await MODES[mode].work(question.text, model, tools)
        return Run(answer=answer, seconds=now() - started, turns=model.turns, sampled_tokens=model.sampled_tokens, calls=calls)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for chat in self._chats.values():
                await stack.enter_async_context(chat)
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._open.__aexit__(kind, error, trace)


def _parameter(tool: Tool) -> str:
    (name,) = tool.spec.parameters["properties"]
    return str(name)


def _offered(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.spec.description, "parameters": dict(tool.spec.parameters)}
    return {"type": "function", "function": function}


async def _call(tools: ToolSet, use: ToolUse) -> Any:
    return await tools[use.name].call(json.loads(use.arguments))


def _shown(uses: tuple[ToolUse, ...]) -> str:
    return json.dumps([{"name": use.name, "arguments": json.loads(use.arguments)} for use in uses], ensure_ascii=False)

"""Joiners: read what a plan has found, and answer or change the plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import to_jsonable_python

from ..chat.base import ChatModel, ChatRequest, Message
from ..engine import Constraint
from ..plan import patch_schema
from ..plan.changes import one_line
from ..plan.plan import Plan
from ..plan.tool_spec import ToolSpec
from ..schedule.outcome import Outcome
from .decision import ChangePlan, Finish, Unreadable, read_decision
from .prompts import described, render


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a joiner sees."""

    task: str
    plan: Plan
    outcomes: Mapping[str, Outcome]
    """Of the nodes that have ended."""
    tools: Mapping[str, ToolSpec]
    round: int
    last: bool
    """No more changes are possible: it has to answer."""
    notes: Sequence[str] = ()
    """Summaries, and why earlier changes were refused."""
    max_nodes: int | None = None
    session: str = ""

    @property
    def complete(self) -> bool:
        return all(node.id in self.outcomes for node in self.plan.nodes)


class Joiner(Protocol):
    """Asked when all nodes have ended, and in between where the agent is told so. None: go on, there is nothing to decide yet."""

    async def decide(self, state: State) -> Finish | ChangePlan | Unreadable | None: ...


class OutputJoiner:
    """Answers with the plan's own output, without asking a model."""

    async def decide(self, state: State) -> Finish | ChangePlan | Unreadable | None:
        return None


class ModelJoiner:
    """Asks a model.

    Args:
        constrained: hold the model to JSON (vLLM).
        max_observation: characters of each output that are shown; more is cut and marked.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        constrained: bool = False,
        max_observation: int = 2000,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> None:
        self._model = model
        self._constrained = constrained
        self._max_observation = max_observation
        self._max_tokens = max_tokens
        self._temperature = temperature

    async def decide(self, state: State) -> Finish | ChangePlan | Unreadable | None:
        may_patch = not state.last
        tools = described(state.tools.values())
        system = render("join", tools=tools, may_patch=may_patch, max_nodes=state.max_nodes or "any number of")
        calls = shown_calls(state.plan, state.outcomes, self._max_observation)
        user = render("join_task", task=state.task, calls=calls, notes=list(state.notes), round=state.round, last=state.last)
        reply = await self._model.reply(
            ChatRequest(
                messages=[Message("system", system), Message("user", user)],
                max_tokens=self._max_tokens,
                temperature=self._temperature,
                constraint=Constraint(json_schema=_schema(may_patch, state.tools)) if self._constrained else None,
                session=state.session,
            )
        )
        return read_decision(reply.text)


async def summarise(model: ChatModel, state: State, *, max_tokens: int = 400, max_observation: int = 2000) -> str:
    """Flash-Searcher's summary step: what is established, what failed, what is open."""
    calls = shown_calls(state.plan, state.outcomes, max_observation)
    prompt = render("summary", task=state.task, calls=calls)
    reply = await model.reply(ChatRequest(messages=[Message("user", prompt)], max_tokens=max_tokens, session=state.session))
    return reply.text.strip()


def shown_calls(plan: Plan, outcomes: Mapping[str, Outcome], max_observation: int) -> list[dict[str, str]]:
    """Nodes and what became of them, as prompts show them. Observations are JSON on one line: text from outside cannot look like ours."""
    return [
        {
            "id": node.id,
            "call": one_line(node),
            "status": outcomes[node.id].status if node.id in outcomes else "not finished",
            "observation": _observation(outcomes.get(node.id), max_observation),
        }
        for node in plan.nodes
    ]


def _observation(outcome: Outcome | None, limit: int) -> str:
    if outcome is None:
        return "null"
    value: Any = outcome.value if outcome.ok else {"error": outcome.error}
    text = json.dumps(to_jsonable_python(value, fallback=str, inf_nan_mode="strings"), ensure_ascii=False)
    return text if len(text) <= limit else f"{text[:limit]}… (cut, {len(text):,} characters in all)"


def _schema(may_patch: bool, tools: Mapping[str, ToolSpec]) -> dict[str, Any]:
    answer = _object(thought={"type": "string", "maxLength": 400}, answer={"type": "string"})
    if not may_patch:
        return answer
    patch = patch_schema.schema(tools)
    changes = _object(thought={"type": "string", "maxLength": 400}, patch=patch["properties"]["operations"])
    return {"anyOf": [answer, changes], "$defs": patch.get("$defs", {})}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

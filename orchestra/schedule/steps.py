"""How a node of each kind is done: its inputs, and one attempt at it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from ..chat.base import ChatRequest, Message, Reply
from ..chat.ladder import Ladder, Tier
from ..errors import PlanError, ToolError
from ..plan.node import Aggregate, ModelCall, Node, Sample, SubPlan, ToolCall
from ..plan.ref import OMIT, Ref, as_text, resolve
from ..tools.tool import ToolSet
from .entry import Facts
from .outcome import NOTHING, ONE_CALL, Usage

DEFAULT_MAX_TOKENS = 1024
_ITS_OWN = frozenset({"effect", "reads", "writes", "timeout_s"})
"""Fields in which a call can differ from others of the same tool."""
Nested = Callable[[SubPlan, dict[str, Any]], Awaitable[tuple[Any, Usage]]]
"""Runs a sub-plan with its arguments."""


class Steps:
    """Tools and models behind one door. `nested` runs sub-plans."""

    def __init__(self, tools: ToolSet, models: Ladder | None, nested: Nested) -> None:
        self._tools = tools
        self._models = models
        self._nested = nested
        self._usual: dict[str, Facts] = {}
        """Of calls that say nothing of their own, by tool."""

    def facts(self, node: Node) -> Facts:
        """Raises `PlanError` for a tool or a model that is not there: plans are verified before they come here."""
        if isinstance(node, ToolCall):
            return self._tool_facts(node)
        common: dict[str, Any] = {"reads": node.reads, "writes": node.writes, "timeout_s": node.timeout_s}
        if isinstance(node, ModelCall):
            tier = self._tier(node)
            calls = node.n if isinstance(node, Sample) else 1
            tokens = calls * (node.max_tokens or DEFAULT_MAX_TOKENS)
            money = tokens * tier.price_per_1k_sampled / 1000
            return Facts(
                kind=f"model:{tier.name}",
                effect=node.effect or "idempotent",
                resource=tier.resource,
                wanted=Usage(calls=calls, tokens=tokens, money=money),
                **common,
            )
        if isinstance(node, SubPlan):
            return Facts(kind="plan", effect="idempotent", wanted=NOTHING, waits=True, **common)
        return Facts(kind="aggregate", wanted=NOTHING, **common)

    def _tool_facts(self, node: ToolCall) -> Facts:
        estimate = node.estimate
        if not _ITS_OWN.isdisjoint(node.model_fields_set) or estimate.tokens is not None or estimate.cost is not None:
            return self._facts_of(node)
        facts = self._usual.get(node.tool)
        if facts is None:
            facts = self._usual[node.tool] = self._facts_of(node)
        return facts

    def _facts_of(self, node: ToolCall) -> Facts:
        tool = self._tools.get(node.tool)
        if tool is None:
            raise PlanError(f"node {node.id}: there is no tool {node.tool!r}; verify the plan before it runs")
        estimate = node.estimate
        said = estimate.tokens is not None or estimate.cost is not None
        return Facts(
            kind=f"tool:{node.tool}",
            effect=node.effect or tool.spec.effect,
            resource=tool.resource,
            reads=node.reads | tool.spec.reads,
            writes=node.writes | tool.spec.writes,
            wanted=Usage(calls=1, tokens=estimate.tokens or 0, money=estimate.cost or 0.0) if said else ONE_CALL,
            timeout_s=node.timeout_s or tool.timeout_s,
            tool=tool,
        )

    def inputs(self, node: Node, output_of: Callable[[Ref], Any]) -> Any:
        """The values that the node works on. Raises `plan.ref.Missing` for a path that an output does not have."""
        if isinstance(node, (ToolCall, SubPlan)):
            return resolve(node.arguments, output_of) if node.has_refs else dict(node.arguments)
        value = resolve(node.prompt if isinstance(node, ModelCall) else node.inputs, output_of)
        if isinstance(node, ModelCall):
            return as_text(value)
        return [] if value is OMIT else value

    async def run(self, node: Node, inputs: Any, *, cheapest: bool, traceparent: str | None = None) -> tuple[Any, Usage]:
        """One attempt. Whatever it raises is the node's failure. `traceparent` goes with what it asks of models."""
        if isinstance(node, ToolCall):
            tool = self._tools[node.tool]
            value = await tool.call(inputs)
            return value, (ONE_CALL if tool.usage is None else Usage(calls=1, money=tool.usage(value)))
        if isinstance(node, Sample):
            return await self._sample(node, inputs, cheapest, traceparent)
        if isinstance(node, ModelCall):
            return await self._ask(node, inputs, cheapest, traceparent)
        if isinstance(node, SubPlan):
            return await self._nested(node, inputs)
        return aggregate(node, inputs), NOTHING

    def cheapest(self, node: Node, wanted: Usage) -> Usage:
        """What `node` may use when the cheapest model does it."""
        if not isinstance(node, ModelCall) or node.model is not None or self._models is None:
            return wanted  # a model that the plan names is not exchanged
        return replace(wanted, money=wanted.tokens * self._models.tiers[0].price_per_1k_sampled / 1000)

    def _tier(self, node: ModelCall, *, cheapest: bool = False) -> Tier:
        if self._models is None:
            raise PlanError(f"node {node.id} asks a model, but the run has none: pass `models`")
        return self._models.choose(difficulty=node.difficulty, name=node.model, cheapest=cheapest)

    async def _ask(
        self, node: ModelCall, prompt: str, cheapest: bool, traceparent: str | None, number: int | None = None
    ) -> tuple[str, Usage]:
        assert self._models is not None
        system = [Message("system", node.system)] if node.system else []
        request = ChatRequest(
            messages=[*system, Message("user", prompt)],
            max_tokens=node.max_tokens or DEFAULT_MAX_TOKENS,
            temperature=node.temperature,
            seed=number,
            traceparent=traceparent,
        )
        made = await self._models.replies(request, self._tier(node, cheapest=cheapest), escalate=not cheapest)
        return made[-1][1].text, sum((usage_of(tier, reply) for tier, reply in made), NOTHING)

    async def _sample(self, node: Sample, prompt: str, cheapest: bool, traceparent: str | None) -> tuple[list[str], Usage]:
        tasks = [
            asyncio.create_task(self._ask(node, prompt, cheapest, traceparent, number), name=f"{node.id}#{number}")
            for number in range(node.n)
        ]
        texts: list[str] = []
        usage = NOTHING
        failures: list[BaseException] = []
        try:
            for done in asyncio.as_completed(tasks):
                try:
                    text, used = await done
                except Exception as error:  # noqa: BLE001 - one of several tries: what it failed of is told when too few are left
                    failures.append(error)
                    continue
                texts.append(text)
                usage += used
                if len(texts) == node.enough:
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not texts:
            raise failures[0]
        return texts, usage + Usage(calls=node.n - len(texts))  # failed and cancelled ones were calls, too


def usage_of(tier: Tier, reply: Reply) -> Usage:
    return Usage(
        calls=1,
        tokens=reply.sampled_tokens or 0,
        prompt_tokens=reply.prompt_tokens or 0,
        cached_tokens=reply.cached_tokens or 0,
        money=tier.price(reply),
    )


def aggregate(node: Aggregate, inputs: Any) -> Any:
    """Combine `inputs`; nulls, which failed edges leave behind, are left out. Raises `ToolError` when nothing is left to combine."""
    items = [item for item in (inputs if isinstance(inputs, list) else [inputs]) if item is not None]
    if node.how == "list":
        return items
    if node.how == "concat":
        return node.separator.join(as_text(item) for item in items)
    if not items:
        raise ToolError(f"nothing is left to take the {node.how} of: every input failed or is null")
    if node.how == "first":
        return items[0]
    if node.how == "vote":
        counts = Counter(as_text(item) for item in items)
        (winner, _), *_ = counts.most_common(1)  # among equals the one that came first
        return next(item for item in items if as_text(item) == winner)
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        raise ToolError(f"{node.how} needs numbers, got {items!r:.200}")
    if node.how == "mean":
        return sum(items) / len(items)
    if node.how == "sum":
        return sum(items)
    return min(items) if node.how == "min" else max(items)

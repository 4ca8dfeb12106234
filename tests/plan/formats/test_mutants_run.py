"""A thousand mutants of a plan in every format, through the whole path: read, verify, degrade, run. Nothing hangs and nothing crashes, and what
is accepted as written does what it says: each call gets what its node says, with references replaced by the outputs that they name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from mutations import mutants

from orchestra.chat.base import Reply
from orchestra.chat.ladder import Ladder, Tier
from orchestra.chat.scripted import ScriptedChat
from orchestra.engine.virtual import run_virtual
from orchestra.plan.degrade import degrade
from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.named import FORMATS
from orchestra.plan.node import ModelCall, Node, ToolCall
from orchestra.plan.plan import Plan, in_order
from orchestra.plan.ref import OMIT, Ref, as_text, follow, resolve
from orchestra.plan.tool_spec import ToolSpec
from orchestra.plan.verify import verify
from orchestra.schedule.execution import Execution
from orchestra.schedule.outcome import Result
from orchestra.schedule.runtime import Runtime
from orchestra.tools.tool import Tool, ToolSet

TEXTS = {
    "document": '{"nodes": [{"id": "1", "tool": "search", "args": {"query": "a"}}, {"id": "2", "tool": "search", "args": {"query": "about $1"}}, '
    '{"id": "3", "tool": "join_up", "args": {"items": ["$1", "$2"]}}], "output": "$3"}',
    "json-lines": '{"id": "1", "tool": "search", "args": {"query": "a"}}\n{"id": "2", "tool": "search", "args": {"query": "about ${1}"}}\n'
    '{"id": "3", "tool": "join_up", "args": {"items": ["$1", "$2"]}, "after": ["2"]}\n{"output": "$3"}\n',
    "llmcompiler": '1. search("a")\n2. search("about ${1}")\nThought: together\n3. join_up(items=[$1, "$2"])\n4. join($3)<END_OF_PLAN>',
    "openai-tools": '[{"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{\\"query\\": \\"a\\"}"}}, '
    '{"id": "c2", "type": "function", "function": {"name": "search", "arguments": "{\\"query\\": \\"b\\"}"}}]',
    "plan-over-graph": '```json\n[{"name": "Subtask1", "source": ["N1"], "target": ["N2"], "dependencies": []}, '
    '{"name": "Subtask2", "source": ["N2"], "target": ["N3"], "dependencies": ["Subtask1"]}]\n```',
    "appbench": "Hotels: [name, price = find(#city='Rome', #stars='3')]\nTaxi: [ride = book(#to=name, #at='noon')]\n",
    "flash-searcher": "## Goal 1: Find the date\n- Path 1.1: Search the archive\n  - Success: a date\n- Path 1.2: Ask a model\n  - Success: a date\n"
    "## Goal 2: Find the place\n- Path 2.1: Look at the map\n  - Success: a place\n",
    "parallel-prompt": '{"serial": "Translate the words", "template": "Translate {data} to French", "context": "Be short.", "data": ["dog", "cat"], '
    '"n": null, "category": "Translation"}',
}


def spec(name: str, **properties: Any) -> ToolSpec:
    return ToolSpec(
        name=name,
        parameters={"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False},
    )


TEXT = {"type": "string"}
SPECS = [
    spec("search", query=TEXT),
    spec("join_up", items={"type": "array"}),
    spec("transform", source={"type": "array", "items": TEXT}, target=TEXT),
    spec("Hotels.find", city=TEXT, stars=TEXT),
    spec("Taxi.book", to=TEXT, at=TEXT),
    spec("Hotels_find", city=TEXT, stars=TEXT),
    spec("Taxi_book", to=TEXT, at=TEXT),
]


def expected(node: Node, result: Result) -> Any:
    """What a node's call must have been given, worked out from its own text and the outputs that it names."""

    def output(ref: Ref) -> Any:
        outcome = result.outcomes[ref.node]
        if outcome.ok:
            return follow(ref, outcome.value)
        edge = node.edge(ref.node)
        return (
            {"optional": OMIT, "continue": None}[edge.on_failure]
            if edge.on_failure != "fallback"
            else resolve(edge.fallback, output)
        )

    if isinstance(node, ToolCall):
        return node.tool, resolve(node.arguments, output)
    assert isinstance(node, ModelCall)
    return "model", as_text(resolve(node.prompt, output))


async def carry_out(plans: list[Plan]) -> None:
    """Run all of them at once, each in an execution of its own."""

    async def one(plan: Plan) -> None:
        given: list[Any] = []

        def tool(each: ToolSpec) -> Tool:
            async def call(arguments: Mapping[str, Any]) -> Any:
                given.append((each.name, dict(arguments)))
                await asyncio.sleep(1)
                return {"name": "Ritz", "price": 9, "ride": "r1"} if "." in each.name or "_" in each.name else f"<{len(given)} $1>"

            return Tool(spec=each, call=call)

        def answer(request: Any) -> Reply:
            given.append(("model", request.messages[-1].content))
            return Reply(text=f"[{len(given)}]", finish="stop", sampled_tokens=1)

        models = Ladder([Tier(model=ScriptedChat(answer))])
        async with Execution(Runtime(tools=ToolSet(map(tool, SPECS)), models=models)) as execution:
            execution.add(in_order(plan.nodes))
            execution.close(plan.output)
            result = await execution.result()
        assert set(result.outcomes) == set(plan.by_id)
        ran = [
            node for node in plan.nodes if result.outcomes[node.id].started is not None and isinstance(node, (ToolCall, ModelCall))
        ]
        wanted = [expected(node, result) for node in ran]
        assert sorted(map(repr, given)) == sorted(map(repr, wanted))

    await asyncio.gather(*map(one, plans))


@pytest.mark.parametrize("name", TEXTS)
def test_a_thousand_mutants_are_run_refused_or_cut_down_and_nothing_else(name: str) -> None:
    tools = {each.name: each for each in SPECS}
    runnable: list[Plan] = []
    refused = 0
    for mutant in mutants(TEXTS[name], count=1000, seed=7):
        parsed: Parsed = FORMATS[name]().parse(mutant.text, tools)
        findings = (*parsed.findings, *verify(parsed.plan, tools))
        if not errors(findings):
            runnable.append(parsed.plan)
            continue
        refused += 1
        for mode in ("drop", "sequence"):
            left = degrade(parsed.plan, findings, tools, mode=mode)  # type: ignore[arg-type]
            if left.plan is not None:
                runnable.append(left.plan)
            else:
                assert left.reason
    assert runnable and refused  # the mutator did its work, and not only damage
    run_virtual(carry_out(runnable))

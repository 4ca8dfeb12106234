"""Typed toy tools, nodes and valid plans that call them, and a naive interpreter that refuses whatever is not exactly right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from orchestra.plan.finding import Finding
from orchestra.plan.node import INPUT, Aggregate, Edge, ModelCall, Node, Sample, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text, follow, resolve
from orchestra.plan.tool_spec import ToolSpec
from orchestra.plan.verify import describe, verify

PAGE = {"type": "object", "properties": {"title": {"type": "string"}, "size": {"type": "integer"}}, "required": ["title"]}


def spec(name: str, returns: Mapping[str, Any] | None, required: tuple[str, ...] = (), **others: Any) -> ToolSpec:
    properties = {key: value for key, value in others.items() if isinstance(value, dict)}
    rest = {key: value for key, value in others.items() if not isinstance(value, dict)}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name=name, parameters=parameters, returns=returns, **rest)


STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
TOOLS = {
    tool.name: tool
    for tool in (
        spec(
            "search",
            {"type": "array", "items": PAGE},
            ("query",),
            query=STRING,
            limit={"type": "integer", "minimum": 1, "maximum": 10},
        ),
        spec("fetch", PAGE, ("title",), title=STRING, depth={"anyOf": [INTEGER, {"type": "null"}]}),
        spec("add", INTEGER, ("a", "b"), effect="pure", a=NUMBER, b=NUMBER),
        spec("glue", STRING, ("parts",), parts={"type": "array", "items": STRING}, language={"enum": ["en", "de"]}),
        spec("rank", {"type": "array", "items": PAGE}, ("pages",), pages={"type": "array", "items": PAGE}, by={"type": "object"}),
        spec("send", {"type": "null"}, ("body",), effect="once", body=STRING),
        spec("now", STRING),
    )
}

OUTPUTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "search": lambda given: [{"title": f"{given['query']}/{index}", "size": index + 1} for index in range(3)],
    "fetch": lambda given: {"title": given["title"].upper(), "size": 7},
    "add": lambda given: int(given["a"] + given["b"]),
    "glue": lambda given: " ".join(given["parts"]),
    "rank": lambda given: [*given["pages"][::-1], {"title": "last"}, {"title": "very last"}, {"title": "end"}],
    "send": lambda given: None,
    "now": lambda given: "noon",
}
_PYTHON = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict, "null": type(None)}


class WrongCall(Exception):
    """What must never be reached by a plan without errors."""


def check_type(value: Any, schema: Mapping[str, Any]) -> None:
    """By hand, so that it shares no mistake with the verifier. Limits of values are the tool's business, and not looked at."""
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            try:
                return check_type(value, option)
            except WrongCall:
                continue
        raise WrongCall(f"{value!r} is none of {schema['anyOf']}")
    kind = schema.get("type", "string")
    if not isinstance(value, _PYTHON[kind]) or (isinstance(value, bool) and kind in ("integer", "number")):
        raise WrongCall(f"{value!r} is not {kind}")
    if isinstance(value, list):
        for item in value:
            check_type(item, schema.get("items", {"anyOf": [{"type": name} for name in _PYTHON]}))
    if isinstance(value, dict):
        if missing := [name for name in schema.get("required", ()) if name not in value]:
            raise WrongCall(f"{value!r} lacks {missing}")
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                check_type(value[name], inner)


def call_tool(name: str, given: Mapping[str, Any]) -> Any:
    tool = TOOLS.get(name)
    if tool is None:
        raise WrongCall(f"no tool {name}")
    if missing := tool.required - given.keys():
        raise WrongCall(f"{name} lacks {missing}")
    for argument, value in given.items():
        if argument not in tool.properties:
            raise WrongCall(f"{name} has no {argument}")
        check_type(value, tool.properties[argument])
    return OUTPUTS[name](given)


def interpret(nodes: tuple[Node, ...], output: Any, given: Mapping[str, Any] | None = None) -> Any:
    """Run node after node, each when all that it waits for is done. Nothing fails here, so no policy applies."""
    outputs: dict[str, Any] = {}
    if len({node.id for node in nodes}) < len(nodes):
        raise WrongCall("an id is used twice")

    def output_of(ref: Ref) -> Any:
        if ref.node == INPUT:
            if given is None:
                raise WrongCall("input outside of a sub-plan")
            return follow(ref, given)
        return follow(ref, outputs[ref.node])

    waiting = list(nodes)
    while waiting:
        ready = next((node for node in waiting if all(needed in outputs for needed in node.waits_for)), None)
        if ready is None:
            raise WrongCall(f"{[node.id for node in waiting]} can never start")
        waiting.remove(ready)
        outputs[ready.id] = _run(ready, output_of)
    if output is None:
        awaited = {needed for node in nodes for needed in node.waits_for}
        return {node.id: outputs[node.id] for node in nodes if node.id not in awaited}
    return resolve(output, output_of)


def _run(node: Node, output_of: Callable[[Ref], Any]) -> Any:
    match node:
        case ToolCall():
            return call_tool(node.tool, resolve(node.arguments, output_of))
        case Sample():
            return [f"{resolve(node.prompt, output_of)}#{index}" for index in range(node.n)]
        case ModelCall():
            return f"answer to {resolve(node.prompt, output_of)}"
        case Aggregate():
            found = resolve(node.inputs, output_of)
            return _combine(node.how, [item for item in (found if isinstance(found, list) else [found]) if item is not None])
        case SubPlan():
            return interpret(node.nodes, node.output, resolve(node.arguments, output_of))
    raise AssertionError(node)


def _combine(how: str, items: list[Any]) -> Any:
    if how == "list":
        return items
    if how == "concat":
        return " ".join(map(str, items))
    if not items:
        raise WrongCall(f"nothing to take the {how} of")
    if how in ("first", "vote"):
        return items[0]
    for item in items:
        check_type(item, NUMBER)
    return {"sum": sum(items), "mean": sum(items) / len(items), "min": min(items), "max": max(items)}[how]


def now(node_id: str, *after: str, **others: Any) -> ToolCall:
    return ToolCall(id=node_id, tool="now", depends_on=after, **others)


def call(tool: str, node_id: str = "1", *, edges: dict[str, Edge] | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(id=node_id, tool=tool, arguments=arguments, edges=edges or {})


def ask(node_id: str, *about: str, **policies: Edge) -> ModelCall:
    return ModelCall(id=node_id, prompt=Text(("about ", *(Ref(needed) for needed in about))), edges=policies)


def found(*nodes: Node, output: Any = None, **options: Any) -> list[Finding]:
    return list(verify(Plan(nodes=nodes, output=output), options.pop("tools", TOOLS), **options))


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, describe(findings)
    return findings[0]


def random_plan(random: Random, size: int) -> Plan:
    """A valid plan: each node refers to earlier ones, where their outputs fit."""
    nodes: list[Node] = []
    texts: list[Ref] = []
    pages: list[Ref] = []
    numbers: list[Ref] = []

    def text() -> Any:
        if texts and random.random() < 0.6:
            chosen = random.choice(texts)
            return {"$text": ["see ", {"$ref": str(chosen)}]} if random.random() < 0.3 else chosen
        return random.choice(["a", "tall $1", "{b}"])

    def number() -> Any:
        return random.choice(numbers) if numbers and random.random() < 0.6 else random.randint(1, 9)

    for index in range(size):
        node_id = f"n{index}"
        here = Ref(node_id)
        common: dict[str, Any] = {"id": node_id}
        if nodes and random.random() < 0.2:
            common["depends_on"] = (random.choice(nodes).id,)
        match random.choice(["search", "fetch", "add", "glue", "rank", "now", "model", "sample", "list", "plan"]):
            case "search":
                nodes.append(ToolCall(**common, tool="search", arguments={"query": text(), "limit": random.randint(1, 10)}))
                texts.append(Ref(node_id, (0, "title")))
                pages.append(here)
            case "fetch":
                nodes.append(ToolCall(**common, tool="fetch", arguments={"title": text()}))
                texts.append(Ref(node_id, ("title",)))
                numbers.append(Ref(node_id, ("size",)))
            case "add":
                nodes.append(ToolCall(**common, tool="add", arguments={"a": number(), "b": number()}))
                numbers.append(here)
            case "glue":
                nodes.append(ToolCall(**common, tool="glue", arguments={"parts": [text(), text()], "language": "en"}))
                texts.append(here)
            case "rank" if pages:
                nodes.append(ToolCall(**common, tool="rank", arguments={"pages": random.choice(pages), "by": {"key": [1]}}))
                pages.append(here)
            case "model":
                nodes.append(ModelCall(**common, prompt=text()))
                texts.append(here)
            case "sample":
                nodes.append(Sample(**common, prompt=text(), n=3, enough=2))
            case "list" if texts:
                nodes.append(Aggregate(**common, inputs=[text(), text()], how="concat"))
                texts.append(here)
            case "plan" if texts:
                inner = ToolCall(id="n0", tool="fetch", arguments={"title": Ref(INPUT, ("about",))})
                nodes.append(SubPlan(**common, nodes=(inner,), output=Ref("n0", ("title",)), arguments={"about": text()}))
                texts.append(here)
            case _:
                nodes.append(ToolCall(**common, tool="now"))
                texts.append(here)
    if not random.randrange(3):
        return Plan(nodes=tuple(nodes))
    returned = random.sample(nodes, min(len(nodes), 2))
    return Plan(nodes=tuple(nodes), output=[Ref(node.id) for node in returned] if random.random() < 0.5 else Ref(nodes[-1].id))

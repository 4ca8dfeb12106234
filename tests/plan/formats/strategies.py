"""Plans for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from orchestra.plan.node import Aggregate, Edge, Estimate, ModelCall, Node, Sample, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
characters = st.characters(exclude_categories=["Cs"])
texts = st.one_of(st.text(characters, max_size=12), st.text(st.sampled_from("$$$12{}a.[]\"'\\\n ,()#"), max_size=12))
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
steps = st.one_of(names, st.integers(-5, 20), st.text(characters, max_size=4))


def refs(ids: list[str]) -> st.SearchStrategy[Ref]:
    return st.builds(Ref, st.sampled_from(ids), st.lists(steps, max_size=2).map(tuple))


def values(ids: list[str]) -> st.SearchStrategy[Any]:
    """JSON with references to `ids`."""
    parts = st.lists(st.one_of(texts, refs(ids)), max_size=4).map(lambda found: Text(tuple(found)))
    leaves = st.one_of(scalars, refs(ids), parts)
    keys = st.one_of(names, texts, st.sampled_from(["$ref", "$text", "$json"]))
    return st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)), max_leaves=5
    )


@st.composite
def tool_plans(draw: st.DrawFn) -> Plan:
    """Numbered tool calls with thoughts of one line: what LLMCompiler's text can hold. References may lead anywhere."""
    first = draw(st.integers(1, 30))
    ids = [str(number) for number in range(first, first + draw(st.integers(0, 4)))]
    known = [*ids, "99", "input", "a-b"]
    thoughts = st.text(st.sampled_from("abc XYZ."), max_size=10).map(lambda text: " ".join(text.split()))
    arguments = st.dictionaries(names, values(known), max_size=3)
    tools = names.filter(lambda name: name != "join")
    nodes = tuple(
        ToolCall(id=node_id, tool=draw(tools), arguments=encoded(draw(arguments)), thought=draw(thoughts)) for node_id in ids
    )
    return Plan(nodes=nodes, output=encoded(draw(values(known))))


@st.composite
def plans(draw: st.DrawFn, depth: int = 1) -> Plan:
    """Anything that the schema allows."""
    ids = draw(st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,5}", fullmatch=True), max_size=4))
    known = [*ids, "1", "input"]
    nodes: list[Node] = []
    for node_id in ids:
        common: dict[str, Any] = {
            "id": node_id,
            "thought": draw(texts),
            "depends_on": draw(st.lists(st.sampled_from(known), max_size=2)),
        }
        if draw(st.booleans()):
            edge = Edge(on_failure="fallback", fallback=encoded(draw(values(known))))
            common |= {"edges": {draw(st.sampled_from(known)): edge}, "reads": frozenset(draw(st.lists(names, max_size=2)))}
            common |= {"estimate": Estimate(seconds=draw(st.floats(0, 9))), "timeout_s": 1.5, "effect": "once", "quorum": 1}
        value = encoded(draw(values(known)))
        match draw(st.sampled_from(["tool", "model", "sample", "aggregate", *(["plan"] if depth else [])])):
            case "tool":
                nodes.append(ToolCall(tool=draw(names), arguments={draw(texts): value}, **common))
            case "model":
                nodes.append(ModelCall(prompt=value, system=draw(texts), difficulty=3, **common))
            case "sample":
                nodes.append(Sample(prompt=value, n=draw(st.integers(1, 9)), temperature=draw(st.floats(0, 2)), **common))
            case "aggregate":
                nodes.append(Aggregate(inputs=value, how="concat", separator=draw(texts), **common))
            case _:
                inner = draw(plans(depth=0))
                nodes.append(SubPlan(nodes=inner.nodes, output=encoded(inner.output), arguments={draw(texts): value}, **common))
    return Plan(nodes=tuple(nodes), output=encoded(draw(values(known))), goal=draw(texts), version=draw(st.integers(1, 9)))


def encoded(value: Any) -> Any:
    """As the schema takes it: an object of the user's with the key "$ref" would be read as a reference otherwise."""
    from orchestra.plan.ref import encode

    return {name: encode(item) for name, item in value.items()} if isinstance(value, dict) and _plain(value) else encode(value)


def _plain(value: dict[str, Any]) -> bool:
    return not value.keys() & {"$ref", "$text", "$json"}

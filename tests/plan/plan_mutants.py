"""Plans with a few mistakes in them, of every kind that can be made on a parsed plan."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from plan_examples import TOOLS, random_plan

from orchestra.plan.node import Aggregate, Edge, ModelCall, Node, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text, substitute

_STEPS: list[str | int] = [0, 1, "0", "title", "size", "titel", "about"]
_LITERALS: list[Any] = [None, True, 3, 2.5, "text", "3", [], ["a"], [1], {}, {"title": "a"}, [{"title": "b"}], {"key": [1]}]


def mutant(seed: int) -> Plan:
    """A plan of up to 8 nodes with up to 3 mistakes; some of them happen to be none."""
    random = Random(seed)
    plan = random_plan(random, random.randint(1, 8))
    for _ in range(random.randint(1, 3)):
        plan = random.choice(MUTATIONS)(random, plan)
    return plan


def _ids(plan: Plan) -> list[str]:
    return [*plan.by_id, "n99", "input", "0"]


def _ref(random: Random, plan: Plan) -> Ref:
    return Ref(random.choice(_ids(plan)), tuple(random.choices(_STEPS, k=random.choice([0, 0, 1, 2]))))


def _value(random: Random, plan: Plan) -> Any:
    ref = _ref(random, plan)
    return random.choice([ref, Text(("a ", ref)), [ref], {"title": ref}, [{"title": ref}], random.choice(_LITERALS)])


def _edge(random: Random, plan: Plan) -> Edge:
    policy = random.choice(["fail", "continue", "fallback", "optional"])
    return Edge.model_construct(on_failure=policy, fallback=random.choice([None, None, _value(random, plan)]))


def _with(plan: Plan, index: int, node: Node | None) -> Plan:
    nodes = list(plan.nodes)
    nodes[index : index + 1] = [] if node is None else [node]
    return plan.model_copy(update={"nodes": tuple(nodes)})


def _somewhere(change: Callable[[Random, Plan, Any], Node | None]) -> Callable[[Random, Plan], Plan]:
    def mutate(random: Random, plan: Plan) -> Plan:
        if not plan.nodes:
            return plan
        index = random.randrange(len(plan.nodes))
        return _with(plan, index, change(random, plan, plan.nodes[index]))

    return mutate


def _swap_ids(random: Random, plan: Plan) -> Plan:
    if len(plan.nodes) < 2:
        return plan
    first, second = random.sample(range(len(plan.nodes)), 2)
    ids = plan.nodes[first].id, plan.nodes[second].id
    swapped = _with(plan, first, plan.nodes[first].model_copy(update={"id": ids[1]}))
    return _with(swapped, second, plan.nodes[second].model_copy(update={"id": ids[0]}))


def _rewire_a_reference(random: Random, plan: Plan, node: Node) -> Node:
    return node.with_values(lambda value: substitute(value, lambda ref: _ref(random, plan) if random.random() < 0.5 else ref))


def _change_an_argument(random: Random, plan: Plan, node: Node) -> Node:
    value = _value(random, plan)
    match node:
        case ToolCall() | SubPlan():
            names = [
                *node.arguments,
                *(TOOLS[node.tool].properties if isinstance(node, ToolCall) and node.tool in TOOLS else ()),
                "qeury",
            ]
            return node.model_copy(update={"arguments": {**node.arguments, random.choice(names): value}})
        case ModelCall():
            return node.model_copy(update={"prompt": value})
        case Aggregate():
            return node.model_copy(update={"inputs": value if isinstance(value, list) else [value]})


def _drop_an_argument(random: Random, plan: Plan, node: Node) -> Node:
    if not isinstance(node, ToolCall | SubPlan) or not node.arguments:
        return node
    dropped = random.choice([*node.arguments])
    return node.model_copy(update={"arguments": {name: value for name, value in node.arguments.items() if name != dropped}})


def _rename_the_tool(random: Random, plan: Plan, node: Node) -> Node:
    return node.model_copy(update={"tool": random.choice([*TOOLS, "serch", ""])}) if isinstance(node, ToolCall) else node


def _rename(random: Random, plan: Plan, node: Node) -> Node:
    return node.model_copy(update={"id": random.choice(_ids(plan))})


def _wait_for_more(random: Random, plan: Plan, node: Node) -> Node:
    return node.model_copy(update={"depends_on": (*node.depends_on, random.choice(_ids(plan)))})


def _set_a_policy(random: Random, plan: Plan, node: Node) -> Node:
    needed = random.choice([*node.waits_for, random.choice(_ids(plan))])
    return node.model_copy(update={"edges": {**node.edges, needed: _edge(random, plan)}})


def _set_a_quorum(random: Random, plan: Plan, node: Node) -> Node:
    return node.model_copy(update={"quorum": random.randint(1, 4)})


def _combine_otherwise(random: Random, plan: Plan, node: Node) -> Node:
    how = random.choice(["list", "concat", "first", "vote", "sum", "mean", "min", "max"])
    return node.model_copy(update={"how": how}) if isinstance(node, Aggregate) else node


def _set_an_effect(random: Random, plan: Plan, node: Node) -> Node:
    return node.model_copy(
        update={"effect": random.choice(["pure", "idempotent", "once"]), "writes": frozenset(random.sample(["a", ""], 1))}
    )


def _remove(random: Random, plan: Plan, node: Node) -> None:
    return None


def _wrap(random: Random, plan: Plan, node: Node) -> Node:
    output = random.choice([Ref(node.id), None, Ref("n99"), Ref("input", ("about",))])
    return SubPlan(id=node.id, nodes=(node,), output=output, arguments={"about": Ref(random.choice(_ids(plan)))})


def _change_inside(random: Random, plan: Plan, node: Node) -> Node:
    if not isinstance(node, SubPlan) or not node.nodes:
        return node
    inner = random.choice([_rewire_a_reference, _change_an_argument, _rename_the_tool, _rename, _wait_for_more])
    return node.model_copy(update={"nodes": (inner(random, plan, node.nodes[0]), *node.nodes[1:])})


def _duplicate(random: Random, plan: Plan) -> Plan:
    return plan.model_copy(update={"nodes": (*plan.nodes, *random.choices(plan.nodes, k=1))}) if plan.nodes else plan


def _shuffle(random: Random, plan: Plan) -> Plan:
    return plan.model_copy(update={"nodes": tuple(random.sample(plan.nodes, len(plan.nodes)))})


def _set_the_output(random: Random, plan: Plan) -> Plan:
    return plan.model_copy(update={"output": _value(random, plan)})


MUTATIONS: list[Callable[[Random, Plan], Plan]] = [
    _swap_ids,
    _duplicate,
    _shuffle,
    _set_the_output,
    *map(
        _somewhere,
        [
            _rewire_a_reference,
            _change_an_argument,
            _drop_an_argument,
            _rename_the_tool,
            _rename,
            _wait_for_more,
            _set_a_policy,
            _set_a_quorum,
            _combine_otherwise,
            _set_an_effect,
            _remove,
            _wrap,
            _change_inside,
        ],
    ),
]

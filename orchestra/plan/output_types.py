"""What the nodes of a plan will return, as far as it is known before they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .json_type import ANY, TEXT, JsonType
from .node import INPUT, Aggregate, ModelCall, Node, Sample, SubPlan, ToolCall
from .plan import inside
from .ref import Ref, Text
from .tool_spec import ToolSpec

_MAX_LEVELS = 4
"""Sub-plans inside sub-plans that are looked into."""
_MAX_CHAIN = 20
_OBJECT = JsonType.of({"type": "object"})


class OutputTypes:
    """Of the nodes in `nodes`, which may grow. `inputs` are the arguments of the sub-plan that they belong to."""

    def __init__(
        self,
        nodes: Mapping[str, Node],
        tools: Mapping[str, ToolSpec] | None,
        inputs: Mapping[str, JsonType] | None = None,
        levels: int = _MAX_LEVELS,
    ) -> None:
        self._nodes = nodes
        self._tools = tools or {}
        self._inputs = inputs
        self._levels = levels
        self._known: dict[str, JsonType] = {}
        self._asked: list[str] = []
        """Sub-plans that return what they are given, from one whose output is looked for to the one that is looked at now."""

    def of(self, node_id: str) -> JsonType:
        """The whole output of a node; anything when there is no such node."""
        if node_id not in self._nodes:
            return ANY
        if node_id not in self._known:
            if len(self._asked) == _MAX_CHAIN or node_id in self._asked:
                return ANY
            self._asked.append(node_id)
            self._known[node_id] = self._of_node(self._nodes[node_id])
            self._asked.pop()
        return self._known[node_id]

    def of_ref(self, ref: Ref) -> JsonType:
        """What `ref` leads to; anything when its path leads nowhere, which `excluded` reports."""
        at, path = self._start(ref)
        for step in path:
            at = at.at(step) or ANY
        return at

    def excluded(self, ref: Ref) -> tuple[str | int, JsonType] | None:
        """The first step of its path that cannot exist, and the type that has no such part; None when all may exist."""
        at, path = self._start(ref)
        for step in path:
            part = at.at(step)
            if part is None:
                return step, at
            at = part
        return None

    def of_value(self, value: Any) -> JsonType:
        """Of a value that may hold references."""
        match value:
            case Ref():
                return self.of_ref(value)
            case Text():
                return TEXT
            case list():
                return JsonType.of({"type": "array"})
            case dict():
                return JsonType.of({"type": "object", "properties": {name: {} for name in value}}) if value else _OBJECT
        return JsonType.of({"const": value})

    def _start(self, ref: Ref) -> tuple[JsonType, tuple[str | int, ...]]:
        """The type that the rest of the path starts from."""
        if ref.node == INPUT and self._inputs is not None:
            name = str(ref.path[0]) if ref.path else None
            return (_OBJECT, ()) if name is None else (self._inputs.get(name, ANY), ref.path[1:])
        return self.of(ref.node), ref.path

    def _of_node(self, node: Node) -> JsonType:
        match node:
            case ToolCall():
                spec = self._tools.get(node.tool)
                return ANY if spec is None or spec.returns is None else JsonType.of(spec.returns)
            case Sample():
                return JsonType.of({"type": "array", "items": {"type": "string"}})
            case ModelCall():
                return TEXT
            case Aggregate(how="concat"):
                return TEXT
            case Aggregate(how="list"):
                return JsonType.of({"type": "array"})
            case Aggregate(how="sum" | "mean" | "min" | "max"):
                return JsonType.of({"type": "number"})
            case SubPlan(output=None):
                return self.of_value({sink: Ref(sink) for sink in inside(node).sinks})
            case SubPlan() if self._levels:
                inputs = {name: self.of_value(value) for name, value in node.arguments.items()}
                return OutputTypes(inside(node).by_id, self._tools, inputs, self._levels - 1).of_value(node.output)
        return ANY
